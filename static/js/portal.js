// Comfort: every page works without it. Its words are in data attributes.
const $ = (s, from = document) => from.querySelector(s);
const $$ = (s, from = document) => [...from.querySelectorAll(s)];
const on = (type, fn, to = document) => to.addEventListener(type, fn);
const root = document.documentElement, words = document.body.dataset, board = navigator.clipboard;
const store = (k, v) => { try { return v ? localStorage.setItem(k, v) : localStorage.getItem(k); } catch {} };
const text = (s) => $(s).value ?? $(s).textContent;
const select = (n) => n.select ? n.select() : getSelection().selectAllChildren(n);

async function copied(s) {
  const ok = await board?.writeText(text(s)).then(() => true, () => false);
  if (!ok) select($(s));
  $("#live").textContent = ok ? words.copied : words.selected;
  return ok;
}

// Close of a reveal: shut until a copy worked or the box is ticked.
const gate = $("[data-gate]");
function setGate(free, label = gate.dataset.label) {
  gate.free = free;
  gate.ariaDisabled = !free && label === gate.dataset.label;
  gate.textContent = label;
}
if (gate) setGate(false, board && gate.dataset.copyLabel);

function paint(next) {
  const mode = root.dataset.theme ||= "auto";
  if (next) store("theme", root.dataset.theme = { auto: "light", light: "dark" }[mode] || "auto");
  for (const b of $$("[data-paint]")) b.title = b.ariaLabel = b.dataset[root.dataset.theme];
}

const clicks = {
  paint,
  select,
  async copy(b) {
    if (!await copied(b.dataset.copy)) return;
    const n = $("span", b) || b, was = b.was ||= n.textContent;
    n.textContent = words.done;
    setTimeout(() => { n.textContent = was; }, 2000);
    if (b.dataset.copy === gate?.dataset.gate) setGate(true);
  },
  async gate(a, e) {
    if (a.free) return;
    e.preventDefault();
    if (a.ariaDisabled === "true") return;
    if (await copied(a.dataset.gate)) location = a.href; else setGate(false);
  },
  download({ dataset: d }) {
    const href = URL.createObjectURL(new Blob([text(d.download) + "\n"]));
    Object.assign(document.createElement("a"), { href, download: d.filename }).click();
  },
  dialog(b, e) { e.preventDefault(); $(b.dataset.dialog).showModal(); },
  dismiss(b) { b.parentElement.remove(); },
  append({ dataset: d }) { const n = $(d.append); n.value = `${n.value}\n${d.text}`.trim(); },
};
on("click", (e) => {
  for (const d of $$(".menu-d[open]")) d.open = d.contains(e.target);
  for (const k in clicks) { const n = e.target.closest(`[data-${k}]`); if (n) return clicks[k](n, e); }
});
on("change", ({ target: t }) => {
  if (t.matches("[data-unlock]")) setGate(t.checked);
  if (t.matches("[data-shortcuts]")) store("shortcuts", t.checked ? "on" : "off");
  for (const n of $$("[data-ticked]")) n.textContent = $$("[data-words] input:checked", n.closest(".line")).length;
});

// The day that a number of days leads to.
const days = () => $$("[data-day-in]").forEach((n) => {
  const until = new Date(Date.now() + $(n.dataset.dayIn).value * 864e5);
  n.textContent = until > Date.now() ? until.toLocaleDateString(root.lang, { dateStyle: "medium" }) : "–";
});
on("input", days);

// Finds in a list of lines and the pieces in them; what is ticked stays in sight.
on("input", ({ target: t }) => {
  if (!t.dataset.sift) return;
  const q = t.value.trim().toLowerCase(), fits = (n) => n.dataset.words.toLowerCase().includes(q);
  for (const line of $$(t.dataset.sift)) {
    const parts = $$("[data-words]", line);
    for (const n of parts) n.hidden = !fits(n) && !$("input:checked", n);
    line.hidden = parts.every((n) => n.hidden);
  }
});
on("keydown", (e) => { if (e.key === "Enter" && e.target.dataset.sift) e.preventDefault(); });

const ago = new Intl.RelativeTimeFormat(root.lang);
function times() {
  for (const t of $$("[data-relative]")) {
    const s = (new Date(t.dateTime) - Date.now()) / 1000;
    const [unit, n] = [["day", 86400], ["hour", 3600], ["minute", 60]].find((u) => Math.abs(s) >= u[1]) || [];
    t.textContent = unit ? ago.format(Math.trunc(s / n), unit) : words.now;
  }
}

// Never under the reader's hands.
for (const box of $$("[data-poll]")) {
  const timer = setInterval(async () => {
    if (document.hidden || box.contains(document.activeElement) || $("input:checked", box) || $("[data-poll-switch]:not(:checked)")) return;
    const r = await fetch(box.dataset.poll).catch(() => 0);
    if (!r) return;
    if (r.redirected || r.status !== 200 && !r.headers.has("x-part")) return clearInterval(timer);
    box.innerHTML = await r.text();
    times();
    if ($("[data-settled]", box)) clearInterval(timer);
  }, box.dataset.every * 1000);
}

// No secret comes back with Back.
if ($("[data-secret]")) {
  on("pagehide", () => $$("[data-secret]").forEach((n) => n.replaceChildren()), window);
  on("pageshow", (e) => e.persisted && location.reload(), window);
}

let g = 0;
on("keydown", (e) => {
  const { key, target: t } = e, menu = t.closest?.(".menu, .menu-d"), step = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (menu && step) {
    const all = $$("summary, a, button", menu).filter((n) => n.offsetParent);
    all.at((all.indexOf(t) + step) % all.length).focus();
    return e.preventDefault();
  }
  if (key === "Escape") for (const d of $$(".menu-d[open]")) { d.open = false; $("summary", d).focus(); }
  if (store("shortcuts") === "off" || e.ctrlKey || e.metaKey || e.altKey || t.closest?.("input, textarea, select, dialog")) return;
  const goal = key === "/" ? $("[data-search]") : Date.now() - g < 1500 && $(`[data-go="${CSS.escape(key)}"]`);
  g = key === "g" && Date.now();
  if (key === "?") $("#shortcuts").showModal();
  if (goal) { e.preventDefault(); goal.focus(); if (key !== "/") goal.click(); }
});

for (const n of $$("[data-shortcuts]")) n.checked = store("shortcuts") !== "off";
$("[autofocus]")?.focus();
setTimeout(() => $$(".toast.ok:not(:hover, :focus-within)").forEach((n) => n.remove()), 12000);
paint();
times();
days();
setInterval(times, 30000);
