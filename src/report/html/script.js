"use strict";
// The table is complete without this. Here are its filters: they only hide rows. Their state stands in the
// address behind the #, so that a link shows the same rows.
(function () {
  var form = document.getElementById("filters");
  var shown = document.getElementById("shown");
  var rows = Array.prototype.slice.call(document.querySelectorAll("#results tbody tr"));
  var names = ["severity", "verdict", "namespace", "rule"];
  if (form.elements.baseline) { names.push("baseline"); }

  function options(name) {
    var seen = Object.create(null);
    rows.forEach(function (row) { seen[row.dataset[name]] = true; });
    var values = Object.keys(seen).sort();
    var order = ["critical", "high", "medium", "low", "info"];
    if (name === "severity") {
      values.sort(function (a, b) { return order.indexOf(a) - order.indexOf(b); });
    }
    values.forEach(function (value) {
      var option = document.createElement("option");
      option.value = "=" + value;
      option.textContent = value === "" ? "(none)" : value;
      form.elements[name].appendChild(option);
    });
  }

  function apply() {
    var words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    var count = 0;
    rows.forEach(function (row) {
      var fits = names.every(function (name) {
        var wanted = form.elements[name].value;
        return wanted === "" || wanted === "=" + row.dataset[name];
      });
      if (fits && words.length > 0) {
        var text = row.textContent.toLowerCase();
        fits = words.every(function (word) { return text.indexOf(word) >= 0; });
      }
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = count + " of " + rows.length + " shown";
  }

  function remember() {
    var state = new URLSearchParams();
    names.concat("text").forEach(function (name) {
      var value = form.elements[name].value;
      if (value !== "") { state.set(name, name === "text" ? value : value.slice(1)); }
    });
    var hash = state.toString();
    history.replaceState(null, "", hash === "" ? location.pathname + location.search : "#" + hash);
  }

  function recall() {
    var target = document.getElementById(location.hash.slice(1));
    if (target !== null) {
      // A link to a rule or a row: the filters stay as they are.
      if (target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
      if (shown.textContent !== "") { return; }
    }
    var state = new URLSearchParams(location.hash.slice(1));
    names.forEach(function (name) {
      form.elements[name].value = state.has(name) ? "=" + state.get(name) : "";
      // A value that no row has.
      if (form.elements[name].selectedIndex < 0) { form.elements[name].value = ""; }
    });
    form.elements.text.value = state.get("text") || "";
    apply();
  }

  names.forEach(options);
  form.addEventListener("input", function () { apply(); remember(); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(function () { apply(); remember(); }, 0); });
  window.addEventListener("hashchange", recall);
  form.hidden = false;
  recall();
})();
