"""Vectors that an update leaves to its end: those of another embedder, and those that are pending."""

from __future__ import annotations

from spelunk import embed
from spelunk.observe import broadcast, events
from spelunk.pipeline.job import Contents, Job
from spelunk.pipeline.local import Machine
from spelunk.pipeline.report import BackfillResult
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.opening import open_vectors


def adopt_embedder(manifest: ManifestWriter, wanted: Contents) -> None:
    """Drop the vectors of another embedder than the wanted one; every chunk is then pending."""
    if manifest.generation and manifest.meta("embedder") != wanted.embedder:
        from spelunk.store.merge import change_embedder

        change_embedder(manifest, wanted.embedder)


def fill_pending(job: Job, machine: Machine, manifest: ManifestWriter, wanted: Contents) -> BackfillResult:
    """Make the vectors that are pending. The full text is closed and no worker is left."""
    adopt_embedder(manifest, wanted)
    if not any(manifest.pending()):
        return BackfillResult()
    from spelunk.pipeline.backfill import backfill

    embedder = embed.get(job.options, job.directory, job.observer)
    limit = None if job.patient or embedder.in_workers else embedder.batch * embedder.concurrency

    def sample(event: events.Event) -> None:
        machine.governor.total([])

    result = backfill(
        manifest, embedder, vectors=open_vectors(manifest, job.options, job.observer), limit=limit,
        observer=broadcast(sample, job.observer),
    )  # fmt: skip
    job.observer(events.VectorsPending(result.pending))
    return result
