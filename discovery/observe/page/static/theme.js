/* The colours: those of the system, unless the reader has chosen. Not a module: it runs before the first paint. */
(() => {
  const KEY = "nodeproxy-theme";
  const CHOICES = ["system", "light", "dark"];

  function chosen() {
    try {
      const kept = localStorage.getItem(KEY);
      return CHOICES.includes(kept) ? kept : "system";
    } catch {
      return "system"; // a browser that keeps nothing for this page
    }
  }

  function show(choice) {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    const button = document.getElementById("theme");
    if (!button) return;
    button.dataset.choice = choice;
    button.setAttribute("aria-label", `Colours: ${choice}. Change`);
    button.title = `Colours: ${choice}`;
  }

  function next() {
    const choice = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length];
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      /* it lasts as long as the page */
    }
    show(choice);
  }

  show(chosen());
  document.addEventListener("DOMContentLoaded", () => {
    show(chosen());
    document.getElementById("theme").addEventListener("click", next);
  });
})();
