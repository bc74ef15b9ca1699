// The quick exit (threat-model.md 4.2), and leaving no page and no address behind (D4, D5, D9).
// Loaded first, imports nothing, waits for nothing: leaving never depends on the rest of the page.

const PRESSES = 3;
const PATIENCE = 5_000; // ms after which presses of Shift are forgotten; each press starts it again

let presses = 0;
let alone = false; // Shift went down and no other key since
let forget = 0;

/** The whole document becomes an empty white one, in this task, so that nothing else is painted before. */
function empty(title) {
  const root = document.createElement("html");
  const head = document.createElement("head");
  head.append(Object.assign(document.createElement("title"), {textContent: title}));
  root.append(head, document.createElement("body"));
  document.documentElement.replaceWith(root);
}

/** What the tab says while the other site is still loading: its name, as browsers do. */
function titleOf(target) {
  try {
    return new URL(target).hostname;
  } catch {
    return "";
  }
}

function leave() {
  const form = document.getElementById("exit");
  if (!form) return;
  const {target, half} = form.dataset;
  const token = form.elements.csrfmiddlewaretoken.value;
  empty(titleOf(target));
  // One half of the conversation's cookie opens nothing: the exit holds even when the server can't be told.
  if (half) document.cookie = `${half}=; Path=/; Max-Age=0; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
  dispatchEvent(new Event("leave")); // the page closes its line
  navigator.sendBeacon("/leave/", new URLSearchParams({csrfmiddlewaretoken: token}));
  location.replace(target);
}

function count(number) {
  presses = number;
  clearTimeout(forget);
  const form = document.getElementById("exit");
  if (!form) return;
  const lights = form.querySelector(".lights");
  const said = form.querySelector("[aria-live]");
  lights.hidden = number === 0;
  [...lights.children].forEach((light, n) => light.classList.toggle("on", n < number));
  said.textContent = number === 0 ? "" : number === 1 ? said.dataset.two : said.dataset.one;
  if (number) forget = setTimeout(count, PATIENCE, 0);
}

addEventListener("submit", (event) => {
  if (event.target.id !== "exit") return;
  event.preventDefault();
  leave();
}, true);

// A touch keyboard's Shift has no `code`, so that typing capitals on a phone never leaves.
addEventListener("keydown", ({code, repeat}) => {
  if (repeat) return;
  alone = code === "ShiftLeft" || code === "ShiftRight";
  if (!alone && presses) count(0);
}, true);

addEventListener("keyup", ({code}) => {
  if (!alone || (code !== "ShiftLeft" && code !== "ShiftRight")) return;
  if (presses + 1 < PRESSES) count(presses + 1);
  else leave();
}, true);

// Nothing of the page is kept for Back, for a reopened tab or for the browser's memory of form fields.
addEventListener("pagehide", () => {
  for (const field of document.querySelectorAll("textarea, input:not([type=hidden], [type=radio])")) field.value = "";
  empty(document.title);
});

addEventListener("pageshow", ({persisted}) => {
  if (!persisted) return;
  empty(document.title);
  location.replace("/");
});

// The keyboard of a phone may push the fixed button out of what can be seen: it moves along.
visualViewport?.addEventListener("scroll", follow);
visualViewport?.addEventListener("resize", follow);

function follow() {
  const form = document.getElementById("exit");
  if (form && visualViewport.scale === 1) form.style.translate = `0 ${Math.max(0, visualViewport.offsetTop)}px`;
}

document.documentElement.classList.add("script");

// One address for the whole visit (D4), on the closed page and on every other one too.
if (location.href !== `${location.origin}/`) history.replaceState(null, "", "/");
