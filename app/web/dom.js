/** Elements made from text, never from HTML: what models and people write is shown as it is. */

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

/** Copy a text, and say so on the button that asked for it. */
export async function copy(button, text) {
  const label = (button.dataset.label ??= button.textContent ?? "");
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser refused"; // no permission, or no HTTPS
  }
  setTimeout(() => (button.textContent = label), 2000);
}

/**
 * Cut a long text off after some lines, with a button that shows the rest; `what` it is tells those
 * who only hear it. Call what is returned when the text has grown.
 */
export function clamp(text, what) {
  const button = make("button", { type: "button", className: "quiet more", hidden: true });
  const show = (whole) => {
    text.classList.toggle("clamped", !whole);
    button.ariaExpanded = String(whole);
    button.textContent = whole ? "Show less" : "Show all";
    button.ariaLabel = `${button.textContent} of ${what}`;
  };
  button.addEventListener("click", () => show(text.classList.contains("clamped")));
  show(false);
  text.after(button);
  const check = () => {
    if (text.classList.contains("clamped")) button.hidden = text.scrollHeight <= text.clientHeight + 2;
  };
  new ResizeObserver(check).observe(text); // a window that is wider leaves less to cut off
  return check;
}
