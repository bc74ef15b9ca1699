// A file that is too large is said before it is sent: the server would break the line off without a word.
const file = document.querySelector("input[data-largest]");

file?.addEventListener("change", () => {
  const [chosen] = file.files;
  file.setCustomValidity(chosen && chosen.size > Number(file.dataset.largest) ? file.dataset.tooLarge : "");
  file.reportValidity();
});
