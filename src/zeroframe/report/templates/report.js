"use strict";
document.documentElement.classList.add("scripted");

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

function makeBlinker(figure) {
  const stage = figure.querySelector(".stage");
  const frames = [...stage.querySelectorAll(".frame")];
  const buttons = [...figure.querySelectorAll("[data-show]")];
  const auto = figure.querySelector("[data-auto]");
  const said = figure.querySelector("[aria-live]");
  let shown = 0;
  let timer = 0;

  function show(number, aloud) {
    shown = (number + frames.length) % frames.length;
    frames.forEach((frame, at) => frame.classList.toggle("shown", at === shown));
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === shown)));
    if (aloud) said.textContent = buttons[shown].textContent + " shown";
  }
  function blink(on) {
    window.clearInterval(timer);
    // slower than once a second when someone asked for less motion, never faster than twice
    timer = on ? window.setInterval(() => show(shown + 1, false), still.matches ? 2000 : 600) : 0;
    auto.setAttribute("aria-pressed", String(on));
  }
  function step(by) {
    blink(false);
    show(shown + by, true);
  }

  buttons.forEach((button, at) => button.addEventListener("click", () => { blink(false); show(at, true); }));
  auto.addEventListener("click", () => blink(!timer));
  stage.addEventListener("click", () => step(1));
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { " ": 1, Enter: 1, ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in steps) step(steps[event.key]);
    else if (event.key === "b" || event.key === "B") blink(!timer);
    else if (event.key === "Escape") blink(false);
    else return;
    event.preventDefault();
  });
  show(0, false);
}

document.querySelectorAll(".blink").forEach((figure) => {
  if (figure.querySelector("[data-auto]")) makeBlinker(figure);
  else figure.querySelector(".frame").classList.add("shown");
});

// paper cannot be unfolded; the numbers of a plot can be read off it
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open], .numbers)")];
  folded.forEach((details) => { details.open = true; });
});
window.addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
