/** Says what has changed to those who cannot see it. */

let timer = 0;

/** Only the last of several sentences within a moment is said. */
export function say(sentence) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    document.getElementById("said").textContent = sentence;
  }, 400);
}
