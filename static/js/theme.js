// Runs before the first paint: marks that scripts work and applies the chosen theme, so that nothing flashes.
document.documentElement.classList.add("js");
try { document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto"; } catch { /* storage is off */ }
