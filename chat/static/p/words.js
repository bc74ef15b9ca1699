// What the page was given: its numbers and texts; and the two smallest things that everybody does with them.

const given = document.getElementById("texts").content.children;
const texts = Object.fromEntries([...given].map((text) => [text.dataset.key, text.textContent]));

/** What the server tells the script at the start. */
export const boot = JSON.parse(document.getElementById("boot").textContent);

/** A text in the chatter's language, with its {names} filled in. */
export const say = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

export const one = (id) => document.getElementById(id);

const NUMBER = /\b(0\d{2,3}-\d{4,7})\b/; // as in numbers.py

/** Text into its place; a telephone number stays on one line. */
export function put(place, text) {
  const parts = text.split(NUMBER).map((part, n) => {
    if (n % 2 === 0) return part;
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = part;
    return number;
  });
  place.replaceChildren(...parts);
}

/** Shows an error at its place, or takes it away. */
export function tell(id, text) {
  put(one(id), text);
  one(id).hidden = !text;
}
