// The status page: asks for the newest numbers once a second and draws them.
import {bits, count, duration, element, milliseconds, percent, rate, round} from "./format.js";
import {CAUSES, picture} from "./picture.js";
import {Plot} from "./plot.js";

const PERIOD_MS = 1000;
const TIMEOUT_MS = 4000;
const POINTS_MAX = 900;
const TOKEN = "fastcapa-token";
const COLOURS = {missed: "c-second", errors: "c-third", no_mbuf: "c-fourth", ring_full_drops: "c-loss",
  refused: "c-warn", failed: "c-flow"};
const wide = matchMedia("(min-width: 861px)");
const byId = (id) => document.getElementById(id);

let history = [];
let complete = false; // whether it goes back to where the server's does
let newest = null;

const plots = [
  new Plot("Packets per second", [
    {name: "in", colour: "c-flow", get: (p) => p.in},
    {name: "delivered", colour: "c-good", get: (p) => p.delivered},
  ], {show: count, label: round}),
  new Plot("Packets lost per second", Object.entries(COLOURS).map(([cause, colour]) => (
    {name: CAUSES[cause], colour, get: (p) => p.losses[cause]})), {show: count, label: round, quiet: "none"}),
  new Plot("Full: tx ring and the producer's buffer", [
    {name: "ring", colour: "c-loss", get: (p) => p.ring},
    {name: "buffer", colour: "c-second", get: (p) => p.buffer},
  ], {show: percent, most: 1}),
  new Plot("Busy: the busiest worker of each kind", [
    {name: "rx", colour: "c-flow", get: (p) => p.rx_load},
    {name: "tx", colour: "c-third", get: (p) => p.tx_load},
  ], {show: percent, most: 1}),
  new Plot("Round trip to the slowest broker", [
    {name: "request to answer", colour: "c-second", get: (p) => p.round_trip_ms},
  ], {show: milliseconds}),
  new Plot("Packets in flight to Kafka", [
    {name: "not acknowledged", colour: "c-third", get: (p) => p.in_flight},
  ], {show: count, label: round}),
];
byId("plots").append(...plots.map((plot) => plot.root));

async function ask(path) {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(path, {
    headers: token ? {Authorization: `Bearer ${token}`} : {},
    signal: AbortSignal.timeout(TIMEOUT_MS),
    cache: "no-store",
  });
  if (response.status === 401) throw new DOMException("a token is needed", "NotAllowedError");
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function cell(text, className) {
  return element("td", className, text);
}

function level(share) {
  return share >= 0.95 ? "loss" : share >= 0.8 ? "warn" : "";
}

function fill(table, headings, rows) {
  table.replaceChildren(
    element("thead", "", element("tr", "", ...headings.map((text) => element("th", "", text)))),
    element("tbody", "", ...rows.map((cells) => element("tr", "", ...cells))));
}

function total(name, value, detail, className) {
  return element("div", `total ${className}`, element("small", "", name), element("b", "", value),
    element("small", "", detail));
}

function showHeader(status) {
  const badge = byId("phase");
  const problem = status.ill ?? (status.phase === "running" ? status.not_ready : null);
  badge.textContent = problem ?? status.phase;
  badge.className = `badge ${problem ? "loss" : status.phase === "running" ? "good" : "warn"}`;
  byId("version").textContent = `fastcapa ${status.version}`;
  const about = status.about;
  if (about === null) return;
  byId("about").textContent = `${about.sources.join(", ")} → ${about.topic} at ${about.brokers}, ${about.producer}`;
  document.title = `fastcapa: ${about.sources[0]} → ${about.topic}`;
}

function showTotals(view) {
  const hop = Object.fromEntries(view.hops.map((one) => [one.name, one]));
  const slowest = Math.max(-1, ...view.brokers.map((broker) => broker.round_trip_ms ?? -1));
  byId("totals").replaceChildren(
    total("in", rate(hop.source.in_rate), `${count(hop.source.packets_in)} packets`, ""),
    total("delivered", rate(hop.kafka.out_rate), `${count(hop.kafka.packets_out)} packets`, ""),
    total("lost", rate(view.loss_rate), `${count(view.lost)} packets`, view.loss_rate > 0 ? "loss" : ""),
    total("to Kafka", bits(view.byte_rate * 8), `${count(hop.kafka.waiting)} in flight`, ""),
    total("round trip", milliseconds(slowest < 0 ? null : slowest), "slowest broker", ""));
}

function showTables(view) {
  fill(byId("brokers"), ["broker", "round trip", "answers", "connections"], view.brokers.map((broker) => [
    cell(String(broker.node)), cell(milliseconds(broker.round_trip_ms)), cell(rate(broker.answer_rate)),
    cell(String(broker.connections), broker.connections ? "" : "warn")]));
  fill(byId("queues"), ["queue", "in", "lost", "rx busy", "ring", "tx busy", "buffer"], view.queues.map((queue) => [
    cell(`${queue.source} ${queue.queue}`), cell(rate(queue.in_rate)),
    cell(rate(queue.drop_rate), queue.drop_rate > 0 ? "loss" : ""), cell(percent(queue.rx_load)),
    cell(percent(queue.ring_fill), level(queue.ring_fill)), cell(percent(queue.tx_load)),
    cell(percent(queue.buffer_fill), level(queue.buffer_fill))]));
}

function show() {
  if (newest === null || newest.view === null) return;
  const view = newest.view;
  byId("clock").textContent = duration(view.seconds);
  byId("findings").replaceChildren(...view.findings.map((finding) => element("p",
    `finding ${finding.loss ? "loss" : ""}`, element("strong", "", finding.text), `→ ${finding.remedy}`)));
  showTotals(view);
  byId("picture").replaceChildren(picture(view, wide.matches));
  plots.forEach((plot) => plot.draw(history));
  showTables(view);
}

async function update() {
  if (!complete) {
    history = await ask("history.json");
    complete = true;
  }
  newest = await ask("status.json");
  showHeader(newest);
  const point = newest.point;
  const last = history[history.length - 1];
  if (point && (!last || point.time > last.time)) history = [...history, point].slice(-POINTS_MAX);
  show();
}

async function watch() {
  for (;;) {
    const begun = performance.now();
    try {
      await update();
      byId("login").hidden = true;
      document.body.classList.remove("stale");
    } catch (error) {
      complete = false; // what came in between is not here
      document.body.classList.add("stale");
      const locked = error.name === "NotAllowedError";
      byId("phase").textContent = locked ? "token needed" : "not reached";
      byId("phase").className = "badge loss";
      if (locked && byId("login").hidden) {
        byId("login").hidden = false;
        byId("token").focus();
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(200, PERIOD_MS - (performance.now() - begun))));
  }
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault(); // no form is ever sent: the token stays in this tab
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  byId("token").value = "";
});
wide.addEventListener("change", show);
addEventListener("resize", () => plots.forEach((plot) => plot.draw(history)));
watch();
