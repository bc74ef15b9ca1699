// Passing one conversation on: which colleague is asked, and a word for that colleague alone. It stays here until they accept.

import {html, useEffect, useState} from "./html.js";
import {colleague, offeredTo} from "./desk.js";
import {Dialog} from "./dialog.js";
import {roomWords} from "./side.js";
import {boot, nameOf, say} from "./words.js";

const {text_characters: most} = boot.numbers;

/** One colleague to choose; whoever can't be asked now stays in the list, with the reason. */
function Choice({one, asked, chosen, choose}) {
  return html`<label class="choice">
    <input type="radio" name="colleague" value=${one.id} checked=${chosen} disabled=${asked || !one.connected} onChange=${() => choose(one.id)} />
    <b>${one.name}</b> <span class="quiet">${asked ? say("transfer_asked") : roomWords(one)}</span>
  </label>`;
}

/** Why the last try did not ask anybody, in words. */
export function whyNot({code, detail}, asked) {
  if (code === "not_allowed") return say("transfer_refused", {colleague: asked?.name ?? say("transfer_that")});
  return code === "no_answer" ? say("no_answer") : detail || say("failed");
}

export function Transfer({one, desk, act, close}) {
  const colleagues = desk.duty?.colleagues ?? [];
  const asked = offeredTo(one);
  const can = colleagues.filter(({id, connected}) => connected && id !== asked);
  const [picked, pick] = useState(null);
  const [sent, setSent] = useState(null); // whom we asked last, who may have gone off duty since
  const [failed, setFailed] = useState(false);
  const chosen = colleague(desk, picked) ?? (can.length === 1 ? can[0] : null);
  const ready = can.includes(chosen);
  const ask = (event) => {
    event.preventDefault();
    if (!ready || one.passing) return;
    setFailed(!act.transfer(one.id, chosen.id));
    setSent(chosen);
  };
  useEffect(() => {
    if (sent && asked === sent.id) close();
  }, [asked, sent]);
  return html`<${Dialog} title=${say("transfer_title", {name: nameOf(one)})} close=${close}>
    <form onSubmit=${ask}>
      <p>${say("transfer_text", {name: nameOf(one)})}</p>
      <fieldset class="choices">
        <legend>${say("transfer_to")}</legend>
        ${colleagues.map((other) => html`<${Choice} key=${other.id} one=${other} asked=${other.id === asked} chosen=${other === chosen} choose=${pick} />`)}
        ${!can.length && html`<p class="quiet" role="status">${say(colleagues.length ? "transfer_nobody_else" : "transfer_nobody")}</p>`}
      </fieldset>
      <p><label for="note">${say("transfer_note")}</label> <span id="note-help" class="quiet">${say("transfer_note_help", {name: nameOf(one)})}</span></p>
      <textarea id="note" class="note-box" rows="3" maxlength=${most} aria-describedby="note-help" value=${one.forColleague}
        onInput=${(event) => act.note(one.id, event.target.value)}></textarea>
      <div role="alert">
        ${failed && html`<p class="trouble">▲ ${say("no_line")}</p>`}
        ${one.notPassed && html`<p class="trouble">▲ ${whyNot(one.notPassed, sent)}</p>`}
      </div>
      <div class="dialog-buttons">
        <button type="submit" class="primary" aria-disabled=${!ready}>
          ${one.passing ? say("transferring") : chosen ? say("transfer_ask", {colleague: chosen.name}) : say("transfer_choose")}</button>
        <button type="button" onClick=${close}>${say("transfer_cancel")}</button>
      </div>
    </form>
  <//>`;
}
