// Draws charts on a canvas where the library is there; without it the drawings of the page stay.
"use strict";
(() => {
  const DAY_S = 86400;
  const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const probe = document.createElement("span");
  probe.hidden = true;

  function tone(name) {
    probe.className = `tone-${name}`;
    return getComputedStyle(probe).color;
  }
  function variable(name) {
    probe.className = name;
    return getComputedStyle(probe).color;
  }

  function area(chart, band) {
    const { ctx, extra } = chart;
    const place = (day, value) => [chart.valToPos(day * DAY_S, "x", true), chart.valToPos(value, "y", true)];
    let piece = [];
    const fill = () => {
      const corners = [...piece.map(([day, [low]]) => place(day, low)), ...piece.reverse().map(([day, [, high]]) => place(day, high))];
      ctx.beginPath();
      for (const corner of corners) ctx.lineTo(...corner);
      ctx.fill();
      piece = [];
    };
    ctx.globalAlpha = 0.14;
    ctx.fillStyle = tone(band.tone);
    extra.days.forEach((day, index) => (band.bounds[index] ? piece.push([day, band.bounds[index]]) : fill()));
    fill();
  }

  function behind(chart) {
    const { ctx, bbox } = chart;
    const x = (day) => chart.valToPos(day * DAY_S, "x", true);
    ctx.save();
    if (chart.extra.band) area(chart, chart.extra.band);
    for (const span of chart.extra.spans) {
      ctx.globalAlpha = 0.14;
      ctx.fillStyle = tone(span.tone);
      const left = Math.max(bbox.left, x(span.first - 0.5));
      const right = Math.min(bbox.left + bbox.width, x(span.last + 0.5));
      ctx.fillRect(left, bbox.top, Math.max(3, right - left), bbox.height);
    }
    ctx.globalAlpha = 1;
    ctx.setLineDash([6, 4]);
    ctx.lineWidth = 2;
    for (const mark of chart.extra.marks) {
      ctx.strokeStyle = tone(mark.tone);
      ctx.beginPath();
      ctx.moveTo(x(mark.day), bbox.top);
      ctx.lineTo(x(mark.day), bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  function draw(figure) {
    const drawing = figure.querySelector(".drawing");
    const data = JSON.parse(figure.dataset.chart);
    const axis = { stroke: variable("quiet"), grid: { stroke: tone("grid"), width: 1 }, ticks: { show: false } };
    const options = {
      width: figure.clientWidth - 36,
      height: Number(figure.dataset.height),
      tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      scales: { y: { range: data.range } },
      axes: [{ ...axis, space: 80, values: (_, at) => at.map((each) => DAY.format(each * 1000)) }, { ...axis, size: 48 }],
      legend: { live: true, show: data.lines.length > 0 },
      cursor: { drag: { x: false, y: false } },
      series: [
        { label: "Day", value: "{YYYY}-{MM}-{DD}" },
        ...data.lines.map((line) => ({
          label: line.name,
          stroke: tone(line.tone),
          width: 2,
          spanGaps: true,
          points: { show: line.dots },
          value: (_, value) => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 2 })),
        })),
      ],
      hooks: { drawClear: [behind] },
    };
    const values = [data.days.map((day) => day * DAY_S), ...data.lines.map((line) => line.values)];
    figure.querySelector(".canvas")?.remove();
    const place = document.createElement("div");
    place.className = "canvas";
    drawing.after(place);
    drawing.setAttribute("hidden", "");
    drawing.classList.add("replaced");
    const chart = new window.uPlot({ ...options, plugins: [{ hooks: { init: (made) => (made.extra = data) } }] }, values, place);
    place.setAttribute("aria-hidden", "true");
    figure.chart = chart;
  }

  function all() {
    if (!window.uPlot) return;
    document.body.append(probe);
    for (const figure of document.querySelectorAll("figure.chart[data-chart]:not(.drawn)")) {
      figure.classList.add("drawn");
      draw(figure);
      const fit = () => figure.chart.setSize({ width: figure.clientWidth - 36, height: Number(figure.dataset.height) });
      new ResizeObserver(fit).observe(figure);
    }
  }
  all();
  document.addEventListener("htmx:afterSettle", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const figure of document.querySelectorAll("figure.drawn")) draw(figure);
  });
})();
