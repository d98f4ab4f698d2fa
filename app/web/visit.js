/** What this tab shows, kept with its place in the browser's history: reload and Back keep it. */

/** Begin a place of its own for a question. */
export function enter() {
  if (history.state?.question) history.pushState(null, "");
}

/** Keep what there is so far; null: nothing. */
export function keep(shown) {
  try {
    history.replaceState(shown, "");
  } catch {
    // More than the browser keeps: a reload loses it.
  }
}

export const kept = () => (history.state?.question && history.state.result ? history.state : null);
