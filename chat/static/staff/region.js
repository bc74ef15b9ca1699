// What helps where this chatter lives: that region's numbers, municipalities and links, beside the conversation.

import {html, useEffect, useRef, useState} from "./html.js";
import {isEnded} from "./desk.js";
import {fragment} from "./fragments.js";
import {ask, LoggedOut} from "./requests.js";
import {boot, regionName, say} from "./words.js";

const roomy = matchMedia("(min-width: 73.75em) and (min-height: 44em)"); // it fits beside everything else
const known = new Map(); // of this session, by address: what has come, or is on its way

class Absent extends Error {}

/** The facts of one region as nodes, asked for once. Throws Absent, LoggedOut, or whatever a lost request throws. */
function facts(region, municipality) {
  const address = `/staff/region/${encodeURIComponent(region)}/?${new URLSearchParams(municipality ? {municipality} : {})}`;
  if (!known.has(address)) {
    const coming = fetched(address);
    coming.catch(() => known.delete(address)); // the next one asks again
    known.set(address, coming);
  }
  return known.get(address);
}

async function fetched(address) {
  const response = await ask(address, {accept: "text/html"});
  if (response.status === 404) throw new Absent();
  if (!response.ok) throw new Error(response.status);
  return fragment(response);
}

const standing = (error) => (error instanceof Absent ? "absent" : error instanceof LoggedOut ? "logged_out" : "unreachable");

function Facts({region, municipality}) {
  const place = useRef(null);
  const [line, setLine] = useState("loading");
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let wanted = true;
    setLine("loading");
    facts(region, municipality).then(
      (nodes) => {
        if (!wanted) return;
        place.current.replaceChildren(nodes.cloneNode(true));
        setLine("ready");
      },
      (error) => wanted && setLine(standing(error)),
    );
    return () => {
      wanted = false;
    };
  }, [region, municipality, tries]);
  return html`
    <div ref=${place} class="region-place" hidden=${line !== "ready"}></div>
    ${line === "loading" && html`<p class="quiet">${say("region_coming")}</p>`}
    ${line === "absent" && html`<p class="quiet">${say("region_absent")}</p>`}
    ${["unreachable", "logged_out"].includes(line) && html`<div class="trouble"><p>▲ ${say(line === "logged_out" ? "logged_out" : "region_failed")}</p>
      <button type="button" onClick=${() => setTries(tries + 1)}>${say("again")}</button></div>`}
  `;
}

/** Who told no region can still be helped with one that the conversation brings up. */
function Choice({region, choose}) {
  return html`<div class="region-choice">
    <p>${say("region_unknown")}</p>
    <label>${say("region_choose")}
      <select value=${region} onChange=${(event) => choose(event.target.value)}>
        <option value="">–</option>
        ${Object.keys(boot.regions).map((slug) => html`<option key=${slug} value=${slug}>${regionName(slug)}</option>`)}
      </select>
    </label>
  </div>`;
}

/** Is this the work of another region, or of none that is known? */
export const isForeign = (one) => one.region !== boot.region.slug;

/** @param {object} one the conversation in front; give it a key, so that each opens as its own region asks for */
export function Region({one}) {
  const [unfolded, unfold] = useState(isForeign(one) && !isEnded(one) && roomy.matches);
  const [chosen, choose] = useState("");
  const region = one.region || chosen;
  return html`<section class="part region" data-unfolded=${unfolded} aria-labelledby="region-title">
    <h2><button type="button" class="fold" id="region-title" aria-expanded=${unfolded} aria-controls="region-facts" onClick=${() => unfold(!unfolded)}>
      <span aria-hidden="true">${unfolded ? "▾" : "▸"}</span> ${say("region")}${" "}
      <span class="number">${regionName(one.region)}${isForeign(one) && one.region ? ` · ${say("region_other")}` : ""}</span>
    </button></h2>
    <div class="scroll" id="region-facts" hidden=${!unfolded}>
      ${!one.region && html`<${Choice} region=${chosen} choose=${choose} />`}
      ${unfolded && region && html`<${Facts} region=${region} municipality=${one.region ? one.municipality : ""} />`}
    </div>
  </section>`;
}
