// The workspace by keyboard alone. A single letter does something only while no box has the focus.

/** What each key does: how it is shown, the name of its words. */
export const KEYS = [
  {shown: ["J", "Alt ↓"], what: "key_next"},
  {shown: ["K", "Alt ↑"], what: "key_previous"},
  {shown: ["A"], what: "key_accept"},
  {shown: ["B"], what: "key_box"},
  {shown: ["R"], what: "key_registration"},
  {shown: ["W"], what: "key_queue"},
  {shown: ["T"], what: "key_transfer"},
  {shown: ["P"], what: "key_phone"},
  {shown: ["Enter"], what: "key_send"},
  {shown: ["Shift Enter"], what: "key_line"},
  {shown: ["Esc"], what: "key_leave"},
  {shown: ["?"], what: "key_help"},
];

const BOX = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";

/** Listens on the whole page; the answer stops it. */
export function listen(act) {
  const press = (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const does = event.target.closest?.(BOX) ? inBox(event, act) : outside(event, act);
    if (!does) return;
    event.preventDefault();
    does();
  };
  document.addEventListener("keydown", press);
  return () => document.removeEventListener("keydown", press);
}

function inBox(event, act) {
  if (event.key === "Escape") return () => act.show({focus: {on: "talk"}});
  return event.target.localName === "select" ? null : arrows(event, act); // Alt and an arrow open a list of choices
}

function outside(event, act) {
  if (arrows(event, act)) return arrows(event, act);
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "?") return () => act.show({dialog: {ask: "keys"}});
  if (!act.screen.letters) return null;
  return {
    j: () => act.openNext(1),
    k: () => act.openNext(-1),
    a: act.acceptFirst,
    b: () => act.show({area: "conversation", focus: {on: "box"}}),
    r: () => act.show({area: "registration", focus: {on: "registration"}}),
    w: () => act.show({area: "lists", focus: {on: "queue"}}),
    t: () => act.askWhom(act.desk.open),
    p: act.phone,
  }[event.key.toLowerCase()];
}

function arrows(event, act) {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  return {ArrowDown: () => act.openNext(1), ArrowUp: () => act.openNext(-1)}[event.key];
}
