// Fields of a form that came from the server: what stands in them, what the server says about them, how much still fits.

import {say} from "./words.js";

const NEAR = 0.9; // from this part of the limit on the count is shown as something to look at

/** What is filled in, a line per name: {name, label, text, values, long}. */
export function answers(form) {
  const names = new Set([...form.elements].filter((one) => isAnswer(one)).map((one) => one.name));
  return [...names].map((name) => {
    const all = fieldsOf(form, name);
    const chosen = all.filter((one) => !isChoice(one) || one.checked);
    return {
      name,
      label: labelOf(all[0]),
      text: chosen.map(textOf).filter(Boolean).join(", "),
      values: chosen.flatMap((one) => (one.multiple ? [...one.selectedOptions].map((option) => option.value) : [one.value])),
      long: all[0].localName === "textarea",
    };
  });
}

/** Shows beside each field that now says something else what `mine` said, with a button that puts it back. */
export function conflict(form, mine) {
  const theirs = new Map(answers(form).map((answer) => [answer.name, answer]));
  for (const answer of mine) {
    if (!theirs.has(answer.name) || theirs.get(answer.name).values.join("\n") === answer.values.join("\n")) continue;
    if (!answer.text.trim()) continue;
    const all = fieldsOf(form, answer.name);
    const words = element("p", {className: "mine-words", textContent: answer.text});
    const back = element("button", {type: "button", textContent: say("use_mine")});
    const mineWas = element("div", {className: "mine"}, element("p", {textContent: say("you_had")}), words, back);
    back.addEventListener("click", () => {
      put(all, answer.values);
      mineWas.remove();
      all[0].focus();
      all[0].dispatchEvent(new Event("input", {bubbles: true}));
    });
    blockOf(all).after(mineWas);
  }
}

/** Says at each field what the server does not take; other fields are fine. */
export function errors(form, byField) {
  quiet(form);
  for (const [name, texts] of Object.entries(byField)) {
    const all = fieldsOf(form, name);
    const list = element("p", {className: "field-error", id: `error-${name}`, textContent: texts.join(" ")});
    if (!all.length) {
      form.prepend(list);
      continue;
    }
    for (const one of all) {
      one.setAttribute("aria-invalid", "true");
      one.dataset.refused = "";
      describe(one, list.id);
    }
    blockOf(all).after(list);
  }
}

/** Takes away what `errors` said; what the server itself wrote into the form stays. */
export function quiet(form) {
  for (const one of form.querySelectorAll(".field-error")) one.remove();
  for (const one of form.querySelectorAll("[data-refused]")) {
    delete one.dataset.refused;
    one.removeAttribute("aria-invalid");
    const others = (one.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => !id.startsWith("error-"));
    one.setAttribute("aria-describedby", others.join(" "));
  }
}

/** Counts a long text against its limit. The limit itself goes: it would cut off without a word what is pasted. */
export function count(area) {
  const most = area.maxLength;
  area.removeAttribute("maxlength");
  const says = element("p", {className: "count", id: `count-${area.name}`});
  const draw = () => {
    const length = [...area.value].length;
    says.textContent = length > most ? say("form_too_many", {n: length - most}) : say("count", {length, most});
    says.classList.toggle("near", length > most * NEAR);
    says.classList.toggle("over", length > most);
  };
  area.addEventListener("input", draw);
  area.after(says);
  describe(area, says.id);
  draw();
}

const isAnswer = (one) => one.name && !["hidden", "submit", "button"].includes(one.type) && one.localName !== "fieldset" && !one.disabled;
const isChoice = (one) => one.type === "radio" || one.type === "checkbox";
const fieldsOf = (form, name) => [...form.elements].filter((one) => one.name === name);

const textOf = (one) => {
  if (isChoice(one)) return one.labels?.[0]?.textContent.trim() ?? one.value;
  if (one.localName === "select") return [...one.selectedOptions].filter((option) => option.value).map((option) => option.label).join(", ");
  return one.value;
};

function labelOf(one) {
  const legend = isChoice(one) ? one.closest("fieldset")?.querySelector("legend") : null;
  return (legend ?? one.labels?.[0])?.textContent.trim() ?? one.name;
}

/** After what a remark about these fields stands: a group of choices as a whole. */
const blockOf = (all) => (isChoice(all[0]) ? all[0].closest("fieldset, ul, div, p") : null) ?? all[0];

function put(all, values) {
  for (const one of all) {
    if (isChoice(one)) one.checked = values.includes(one.value);
    else if (one.multiple) for (const option of one.options) option.selected = values.includes(option.value);
    else one.value = values[0] ?? "";
  }
}

function describe(one, id) {
  one.setAttribute("aria-describedby", [one.getAttribute("aria-describedby"), id].filter(Boolean).join(" "));
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
