// What has to be told in words until it is put away: refusals, what is gone, and texts that never arrived.

import {html, useState} from "./html.js";
import {nameOf, say} from "./words.js";

const LEFTOVERS = {message: "leftover", registration: "leftover_registration", note: "leftover_note"};

function words(notice) {
  switch (notice.kind) {
    case "gone":
      return say(notice.reason === "transferred" && notice.colleague ? "gone_transferred_to" : `gone_${notice.reason}`, {
        name: nameOf(notice),
        colleague: notice.colleague,
      });
    case "refused":
    case "duty":
      return notice.detail || say("failed");
    default:
      return say(notice.kind);
  }
}

/** A button that copies a text, and says that it did. */
export function Copy({text}) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true), () => {});
  return html`<button type="button" class="copy" onClick=${copy}>${copied ? say("copied") : say("copy")}</button>`;
}

function Leftover({left, act}) {
  return html`<li class="notice-item leftover">
    <p><b>${say(LEFTOVERS[left.of], {name: nameOf(left)})}</b></p>
    <textarea readOnly rows="4" aria-label=${say("leftover_text")} value=${left.text}></textarea>
    <div class="notice-buttons">
      <${Copy} text=${left.text} />
      <button type="button" onClick=${() => act.putAway(left.id)}>${say("throw_away")}</button>
    </div>
  </li>`;
}

/** A conversation that went to the colleagues while its employee was gone, and still waits for somebody. */
function Again({notice, desk, act}) {
  const waits = notice.reason === "requeued" && act.isQueueFresh() && desk.queue.waiting.some((one) => one.conversation === notice.conversation);
  if (!waits) return null;
  const accept = () => {
    act.accept(notice.conversation);
    act.putAway(notice.id);
  };
  return html`<button type="button" class="primary" onClick=${accept}>${say("accept_again")}</button>`;
}

export function Notices({desk, act}) {
  return html`<ul role="list" class="notices" aria-label=${say("notices")} aria-live="polite">
    ${desk.notices.map((notice) => html`<li key=${notice.id} class="notice-item" data-kind=${notice.kind}>
      <p>${words(notice)}</p> <${Again} notice=${notice} desk=${desk} act=${act} />
      <button type="button" onClick=${() => act.putAway(notice.id)}>${say("understood")}</button>
    </li>`)}
    ${desk.leftovers.map((left) => html`<${Leftover} key=${left.id} left=${left} act=${act} />`)}
  </ul>`;
}
