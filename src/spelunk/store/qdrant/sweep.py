"""The name of an index in a collection, and the points of names that are no longer used."""

from __future__ import annotations

from msgspec.structs import replace

from spelunk.config import Options
from spelunk.errors import ConfigError, ProviderError
from spelunk.observe import Observer, null_observer
from spelunk.store.location import REMOTE
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.qdrant import tenants
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.lease import control_point, is_of_another
from spelunk.store.qdrant.point_writer import PointWriter


def claimed(directory: str, manifest: ManifestWriter, options: Options) -> tenants.Tenant:
    """The name that an index has in the collection; a new index gets one.

    Raises:
        ConfigError: The manifest's chunks are kept elsewhere.
    """
    name = manifest.meta(tenants.TENANT)
    if name is not None:
        return tenants.Tenant(options.store, str(name))
    if manifest.generation:
        raise ConfigError(
            f"the chunks of this index are kept locally; run `spelunk migrate --to {options.store}`, "
            "or `spelunk index --rebuild`"
        )
    tenant = tenants.new(directory, options.store)
    manifest.start()
    manifest.set_meta(tenants.STORE, tenant.store)
    manifest.set_meta(tenants.TENANT, tenant.name)
    manifest.set_meta("lexical", 0)  # no folder has this number
    manifest.commit()
    return tenant


def sweep(
    directory: str, manifest: ManifestWriter, options: Options, observer: Observer = null_observer
) -> None:
    """Delete the points of this directory's indexes that were replaced, or were never published.

    What cannot be deleted now is deleted after the next run.
    """
    own = manifest.meta(tenants.TENANT)
    before = tenants.recorded(directory)
    kept = [t for t in before if t.name == own or not _deleted(directory, t, options, observer)]
    if kept != before:
        tenants.record(directory, kept)


def remove_all(directory: str, options: Options) -> None:
    """Delete all points of a directory's indexes.

    Raises:
        ConfigError, ProviderError: A collection cannot be used.
    """
    for tenant in tenants.recorded(directory):
        connection = Connection(replace(options, store=tenant.store), directory)
        try:
            delete_all(connection, tenant.name, directory)
        except ProviderError as error:
            raise type(error)(
                f"{error}; to delete the index and leave its points there, delete {REMOTE} in {directory} first"
            ) from None
        finally:
            connection.close()
    tenants.record(directory, [])


def delete_all(connection: Connection, name: str, directory: str) -> None:
    """Delete all points of a name; a collection that is gone has none.

    Points that another index directory wrote last stay: this one is a copy of it, or was moved.

    Raises:
        ProviderError: The cluster cannot be used.
    """
    if not connection.write(lambda client: client.collection_exists(connection.collection)):
        return
    if is_of_another(connection, name, directory):
        return
    writer = PointWriter(connection, name)
    writer.delete()
    writer.delete_points([control_point(name)])


def _deleted(directory: str, tenant: tenants.Tenant, options: Options, observer: Observer) -> bool:
    """Delete all points of a name; False where that is not possible now."""
    try:
        connection = Connection(replace(options, store=tenant.store), directory, observer)
    except ConfigError:
        return False
    try:
        delete_all(connection, tenant.name, directory)
        return True
    except ProviderError:
        return False
    finally:
        connection.close()
