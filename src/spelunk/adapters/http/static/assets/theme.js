// Applies the chosen theme before the first paint; the system's is the default.
(() => {
  let theme = null;
  try { theme = localStorage.getItem("theme"); } catch { /* storage is blocked: the system's theme */ }
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
})();
