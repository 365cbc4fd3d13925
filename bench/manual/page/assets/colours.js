// Runs before the page is painted, so that it is not seen in the wrong colours first.
"use strict";
{
  const root = document.documentElement;
  const wanted = localStorage.getItem("colours") ?? "auto";
  root.dataset.colours = wanted;
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("colours");
    choice.value = wanted;
    choice.addEventListener("change", () => {
      root.dataset.colours = choice.value;
      localStorage.setItem("colours", choice.value);
    });
  });
}
