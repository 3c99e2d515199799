// The dashboard follows the log. Each part is replaced by itself and only when it has changed; a part in which somebody
// is reading with the keyboard is left alone until the focus has gone elsewhere. Without this the page is complete.

const root = document.querySelector("#live");
const PAUSE_MS = 400;
const AFTER_TROUBLE_MS = 5000;
let waiting = null;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function openTables(part) {
  return [...part.querySelectorAll("details")].map((each) => each.open);
}

function replace(old, fresh) {
  if (old.innerHTML === fresh.innerHTML || old.contains(document.activeElement)) return;
  const open = openTables(old);
  old.replaceChildren(...fresh.childNodes);
  old.querySelectorAll("details").forEach((each, index) => (each.open = open[index] ?? false));
}

function show(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = [...template.content.querySelectorAll("[data-part]")];
  const old = [...root.querySelectorAll("[data-part]")];
  const names = (parts) => parts.map((part) => part.dataset.part).join(" ");
  if (names(fresh) !== names(old)) {
    if (!root.contains(document.activeElement)) root.replaceChildren(...template.content.childNodes);
    return;
  }
  fresh.forEach((part, index) => replace(old[index], part));
}

function stopped() {
  const line = root.querySelector(".fresh");
  line.classList.add("stopped");
  line.textContent = root.dataset.stopped;
}

async function follow() {
  const address = new URL("/live", location.href);
  address.search = location.search;
  while (true) {
    if (document.hidden) {
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
      continue;
    }
    address.searchParams.set("seen", root.dataset.token);
    try {
      waiting = new AbortController();
      const answer = await fetch(address, { headers: { accept: "application/json" }, signal: waiting.signal });
      if (answer.status === 200) {
        const { token, html } = await answer.json();
        root.dataset.token = token;
        show(html);
      } else if (answer.status !== 204) {
        stopped();
        if (answer.status === 401 || answer.status === 403) return;
        await pause(AFTER_TROUBLE_MS);
      }
      await pause(PAUSE_MS);
    } catch (trouble) {
      if (trouble.name === "AbortError") return;
      await pause(AFTER_TROUBLE_MS);
    }
  }
}

if (root) {
  addEventListener("pagehide", () => waiting?.abort());
  addEventListener("pageshow", (event) => event.persisted && follow());
  follow();
}
