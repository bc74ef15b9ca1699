// The log of one conversation, as the chatter sees it, with how far the chatter has been shown it.

import {html, useEffect, useLayoutEffect, useMemo, useRef, useState} from "./html.js";
import {Copy} from "./notices.js";
import {nameOf, say, when, wall} from "./words.js";

const ADDRESS = /((?:https?:\/\/|www\.)[^\s<>"]+)/i;
const NEAR = 48; // px from the end within which one reads at the end, and new entries may scroll

/** An entry; its author in words as well as by its side. */
function Entry({entry, one, me}) {
  if (entry.kind === "notice") {
    return html`<li class="entry notice"><p>${entry.text}</p> <time dateTime=${entry.at}>${when(entry.at, wall())}</time></li>`;
  }
  const mine = entry.author === "employee";
  const name = mine ? entry.name || me : nameOf(one);
  return html`<li class=${`entry ${mine ? "mine" : "theirs"}`}>
    <p class="entry-who">${mine && name === me ? say("you") : name} <time dateTime=${entry.at}>${when(entry.at, wall())}</time>${mine && ` · ${say("sent")}`}</p>
    <p class="entry-text"><${Text} text=${entry.text} /></p>
  </li>`;
}

/** What somebody typed. An address in it is no link (D12): whoever wants to open it copies it, and sees what that is. */
function Text({text}) {
  return text.split(ADDRESS).map((part, n) => (n % 2 ? html`<span class="address">${part}</span> <${Copy} text=${part} />` : part));
}

/** A message of mine that the server has not confirmed. */
const Unsent = ({item}) => html`<li class="entry mine unsent">
  <p class="entry-who">${say("you")} · ${item.state === "late" ? html`<b>▲ ${say("not_sent_yet")}</b>` : say("sending")}</p>
  <p class="entry-text">${item.text}</p>
</li>`;

/** All entries with the line `shown up to here`; drawn again only when something in it changed. */
function Entries({one, me}) {
  const {entries, read} = one.talk;
  return useMemo(() => {
    const drawn = [];
    for (const entry of entries) {
      drawn.push(html`<${Entry} key=${entry.seq} entry=${entry} one=${one} me=${me} />`);
      if (entry.seq === read.chatter && entries.length) drawn.push(html`<li key="shown" class="shown"><span>${say("shown")}</span></li>`);
    }
    return drawn;
  }, [entries, read.chatter, one.nickname, one.ordinal, me]);
}

export function Log({one, me, seen}) {
  const box = useRef(null);
  const [atEnd, setAtEnd] = useState(true);
  const {entries, outbox, typing} = one.talk;
  const last = entries.at(-1)?.seq ?? 0;
  const mineLast = outbox.at(-1)?.id ?? "";

  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const look = () => {
    const {scrollTop, scrollHeight, clientHeight} = box.current;
    setAtEnd(scrollHeight - scrollTop - clientHeight < NEAR);
  };
  // Nothing jumps: new entries move the log only for whoever reads at its end, or has just written.
  useLayoutEffect(() => {
    if (atEnd) toEnd();
  }, [last, outbox.length, typing > 0, one.talk.read.chatter]);
  useLayoutEffect(toEnd, [mineLast]);
  useEffect(() => {
    const resized = new ResizeObserver(() => {
      if (atEnd) toEnd();
    });
    resized.observe(box.current);
    return () => resized.disconnect();
  }, [atEnd]);
  useEffect(() => {
    const shown = () => {
      if (atEnd && last && document.visibilityState === "visible" && box.current.offsetParent !== null) seen(one.id, last);
    };
    shown();
    document.addEventListener("visibilitychange", shown);
    return () => document.removeEventListener("visibilitychange", shown);
  });

  const below = atEnd ? 0 : entries.filter((entry) => entry.seq > one.seen && entry.author === "chatter").length;
  return html`<div class="log-place">
    <div class="log" role="log" aria-label=${say("talk")} tabindex="0" ref=${box} onScroll=${look}>
      <ol role="list" class="entries"><${Entries} one=${one} me=${me} />
        ${outbox.filter((item) => item.state !== "sent").map((item) => html`<${Unsent} key=${item.id} item=${item} />`)}
      </ol>
      ${entries.length === 0 && outbox.length === 0 && html`<p class="quiet log-empty">${say("talk_empty", {name: nameOf(one)})}</p>`}
      ${typing > 0 && html`<p class="typing">… ${say("name_types", {name: nameOf(one)})}</p>`}
    </div>
    ${!atEnd && html`<button type="button" class="to-end" onClick=${toEnd}>↓ ${below ? say("below", {n: below}) : say("to_end")}</button>`}
  </div>`;
}

