"use strict";
(async () => {
  const root = document.documentElement;
  const found = JSON.parse(document.getElementById("data").textContent);
  const touch = matchMedia("(hover: none)").matches;

  // Colours: a text that begins with @ is one of the theme's, perhaps with how opaque it is.
  const paint = (text) => {
    const [name, alpha] = text.slice(1).split("/");
    const hex = getComputedStyle(root).getPropertyValue("--" + name).trim();
    if (!alpha) return hex;
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
  };
  const themed = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? paint(value) : value;
    if (Array.isArray(value)) return value.every((each) => typeof each === "number") ? value : value.map(themed);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, themed(each)]));
    return value;
  };

  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const button = document.getElementById("theme");
  const named = () => { button.textContent = isDark() ? "Light colours" : "Dark colours"; };
  const remember = (theme) => { try { localStorage.setItem("ttur-theme", theme); } catch { /* a page from disk may not */ } };
  try { const kept = localStorage.getItem("ttur-theme"); if (kept) root.dataset.theme = kept; } catch { /* as above */ }
  named();

  // Plotly is packed, to keep the file small.
  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const fail = (text) => {
    for (const chart of document.querySelectorAll(".chart")) {
      chart.style.height = "auto";
      chart.classList.remove("square");
      chart.textContent = `${text} ${chart.getAttribute("aria-label")}`;
    }
  };
  if (typeof DecompressionStream === "undefined") {
    fail("Charts need a browser of 2023 or later.");
    return;
  }
  const script = document.createElement("script");
  script.textContent = await unpack("plotly");
  document.head.append(script);

  const font = getComputedStyle(document.body).fontFamily;
  const axis = { gridcolor: "@grid", linecolor: "@line", zerolinecolor: "@grid", automargin: true };
  const shared = {
    font: { family: font, size: 13, color: "@ink" },
    paper_bgcolor: "@paper",
    plot_bgcolor: "@paper",
    margin: { l: 64, r: 16, t: 40, b: 48 },
    hoverlabel: { bgcolor: "@panel", bordercolor: "@line", font: { color: "@ink" } },
    autosize: true,
  };
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: touch ? false : "hover",
    scrollZoom: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  };
  const layoutOf = (chart) => {
    const layout = { ...shared, ...chart.layout, margin: { ...shared.margin, ...chart.layout.margin } };
    for (const name of ["xaxis", "yaxis"]) layout[name] = { ...axis, ...layout[name] };
    if (touch) layout.dragmode = false;  // a finger scrolls the page
    return themed(layout);
  };
  const holder = (name) => document.getElementById("chart-" + name);
  const drawn = found.charts.filter((chart) => holder(chart.name));

  // The plane: what is seen depends on two choices.
  const plane = holder("plane");
  const chosen = () => document.getElementById("d-steps").value;
  const layer = () => document.querySelector('input[name="layer"]:checked')?.value ?? "none";
  const first = plane ? chosen() : "";
  const visible = (trace) => {
    const meta = trace.meta ?? {};
    const all = chosen() === "all";
    if (meta.d_steps === undefined) return true;
    const here = String(meta.d_steps) === (all && meta.layer !== undefined ? first : chosen());
    if (meta.layer === "score" || meta.layer === "error") return here && meta.layer === layer();
    if (meta.layer === "") return here && layer() !== "none";
    return all || here;
  };
  const seen = (chart) => chart.data.map((trace) => ({ ...trace, visible: visible(trace) }));
  const dataOf = (chart) => themed(chart.name === "plane" ? seen(chart) : chart.data);
  const layoutNow = (chart) => {
    const layout = layoutOf(chart);
    if (chart.name === "plane" && layer() === "error") {
      layout.coloraxis = { ...layout.coloraxis, showscale: false };
    }
    return layout;
  };
  const draw = (chart) => Plotly.react(holder(chart.name), dataOf(chart), layoutNow(chart), config);
  for (const chart of drawn) await draw(chart);
  const again = () => { named(); for (const chart of drawn) draw(chart); };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    again();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

  if (plane) {
    const chart = drawn.find((each) => each.name === "plane");
    document.querySelector(".controls").addEventListener("change", () => draw(chart));
    document.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault());

    // A trial in the panel: by pointing at it, or one better or worse by the buttons.
    const facts = document.getElementById("trial-facts");
    const order = Object.keys(found.trials).filter((key) => found.trials[key].rank !== null)
      .sort((one, two) => found.trials[one].rank - found.trials[two].rank || one - two);
    const make = (name, text, into) => {
      const made = document.createElement(name);
      if (text !== undefined) made.textContent = text;
      into?.append(made);
      return made;
    };
    let current = -1;
    const show = (key) => {
      const trial = found.trials[key];
      current = order.indexOf(String(key));
      facts.replaceChildren();
      make("h4", trial.title, facts);
      const list = make("dl", undefined, facts);
      for (const [name, value] of Object.entries(trial.facts)) {
        make("dt", name, list);
        make("dd", value, list);
      }
      if (trial.image) {
        const image = make("img", undefined, facts);
        image.src = trial.image;
        image.alt = `Samples of ${trial.title} at its lowest score`;
      } else if (trial.lines?.length) {
        const lines = make("ol", undefined, facts);
        for (const line of trial.lines) make("li", line, lines);
      } else make("p", "No samples of this trial are in this page.", facts).className = "small";
      better.disabled = current === 0;
      worse.disabled = current === order.length - 1;
    };
    const better = document.getElementById("better");
    const worse = document.getElementById("worse");
    better.addEventListener("click", () => show(order[Math.max(0, current - 1)]));
    worse.addEventListener("click", () => show(order[Math.min(order.length - 1, current + 1)]));
    const pointed = (event) => {
      const key = event.points.map((point) => point.customdata).find((value) => value !== undefined && value !== null);
      if (key !== undefined) show(key);
    };
    plane.on("plotly_hover", pointed);
    plane.on("plotly_click", pointed);
    if (order.length) show(order[0]);
    else { better.disabled = true; worse.disabled = true; }
  }
  root.dataset.drawn = String(drawn.length);
})();
