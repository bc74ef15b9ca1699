// The chatter's page: begins a conversation within the same document. Without script everything works by plain forms.

import {post} from "./post.js";
import {Talk} from "./talk.js";
import {boot, one, say, tell} from "./words.js";

if (boot.conversation) talk();
else if (one("start")) prepareStart(one("start"));
else if (one("anew")) prepareAnew(one("anew"));

function talk() {
  new Talk(() => prepareAnew(one("anew"))).open();
}

function prepareStart(form) {
  const button = form.querySelector("button");
  const label = button.textContent;
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    button.textContent = say("moment");
    const error = await begin(form).catch(() => say("failed"));
    busy = false;
    if (!form.isConnected) return;
    button.textContent = label;
    tell("start-error", error);
  });
}

/** Begins the conversation in this document, so that it adds nothing to the history (D4); otherwise says why not. */
async function begin(form) {
  const answer = await post("/start/", new URLSearchParams(new FormData(form)));
  if (!form.isConnected) return "";
  if (answer.status === 204) {
    boot.waiting = JSON.parse(answer.headers.get("Waiting") ?? "null") ?? boot.waiting;
    one("main").replaceChildren(one("conversation").content.cloneNode(true), one("ended"));
    talk();
    // Not the box where that would open a touch keyboard over what there is to read.
    (matchMedia("(pointer: fine)").matches ? one("text") : one("main").querySelector("h1")).focus({preventScroll: true});
    return "";
  }
  const {errors, detail} = await answer.json();
  if (!errors) return detail || say("failed");
  const wrong = ["nickname", "municipality", "text"].filter((name) => {
    tell(`${name}-error`, errors[name]?.[0] ?? "");
    if (errors[name]) one(name).setAttribute("aria-invalid", "true");
    else one(name).removeAttribute("aria-invalid");
    return errors[name];
  });
  if (wrong.includes("text")) one("text").closest("details").open = true;
  if (wrong.length) one(wrong[0]).focus();
  return wrong.length ? "" : say("failed");
}

/** After the end: another conversation, which again adds nothing to the history. */
function prepareAnew(form) {
  form.elements.conversation.value ||= crypto.randomUUID();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell("anew-error", "");
    const answer = await post("/start/", new URLSearchParams(new FormData(form))).catch(() => null);
    if (answer?.status === 204) return location.replace("/");
    const {detail} = (await answer?.json().catch(() => null)) ?? {};
    tell("anew-error", detail || say("failed"));
  });
}
