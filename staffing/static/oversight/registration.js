// Counts the long texts of a registration against their limit.

const NEAR = 0.9; // from this part of the limit on the count is shown as something to look at

for (const area of document.querySelectorAll(".registration textarea[maxlength]")) {
  const most = area.maxLength;
  area.removeAttribute("maxlength"); // it would cut off without a word what is pasted; the server says what is too long
  const says = Object.assign(document.createElement("p"), {className: "count", id: `${area.id}-count`});
  const draw = () => {
    const length = [...area.value].length;
    says.textContent = `${length} / ${most}`;
    says.classList.toggle("near", length > most * NEAR);
    says.classList.toggle("over", length > most);
  };
  area.addEventListener("input", draw);
  area.after(says);
  area.setAttribute("aria-describedby", [area.getAttribute("aria-describedby"), says.id].filter(Boolean).join(" "));
  draw();
}
