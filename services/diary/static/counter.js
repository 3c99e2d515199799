// The counter with the keyboard alone: a digit chooses the authority, letters its service, Enter records.
//
// Law: the form is read, emptied and focused again before the first await, so that the next entry's keys never land in the
// entry before it. An entry has its id from the start; sending it again records nothing twice.

const form = document.getElementById("entry");
if (form) start(form);
else for (const act of document.querySelectorAll(".act")) enliven(act);
const stamp = document.getElementById("stamp");
if (stamp) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "F2" && !event.repeat) {
      event.preventDefault();
      stamp.requestSubmit();
    }
  });
}

function start(form) {
  const acts = document.getElementById("acts");
  const blank = acts.firstElementChild.cloneNode(true);
  const beginning = performance.now();
  const serverTime = Date.parse(form.dataset.now);
  // The server's clock, carried on by this page's: the device's own clock may be wrong.
  const now = () => new Date(serverTime + performance.now() - beginning).toISOString();

  for (const hidden of form.querySelectorAll("kbd[hidden], .keys-help")) hidden.hidden = false;
  for (const act of acts.children) enliven(act);
  if (!document.querySelector("[data-focus]")) focusOn(acts.firstElementChild);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.name === "add") {
      addAct();
      return;
    }
    const service = form.querySelector("select[name^=service]");
    if (!service.value) {
      service.setCustomValidity(service.options[0].textContent);
      service.reportValidity();
      service.setCustomValidity("");
      return;
    }
    const data = new FormData(form);
    data.set("id", newId());
    if (!data.get("day") && !data.get("time")) data.set("occurred_at", now());
    const card = waiting(data);
    restart();
    send(data, card);
  });

  form.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = event.target.matches("input");
    if (event.key === "Enter" && event.target.matches("select")) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "+" && !typing) {
      event.preventDefault();
      addAct();
    } else if (/^[0-9]$/.test(event.key) && !typing) {
      const act = event.target.closest(".act") ?? acts.lastElementChild;
      const button = act.querySelector(`[data-key="${event.key}"]`);
      if (button) {
        event.preventDefault();
        button.click();
      }
    }
  });

  function addAct() {
    const number = acts.children.length;
    if (number >= 10) return;
    const act = blank.cloneNode(true);
    act.dataset.act = number;
    for (const element of act.querySelectorAll("[id]")) element.id = element.id.replace(/-0$/, `-${number}`);
    for (const element of act.querySelectorAll("[name]")) element.name = element.name.replace(/-0$/, `-${number}`);
    for (const label of act.querySelectorAll("label")) label.htmlFor = label.htmlFor.replace(/-0$/, `-${number}`);
    for (const legend of acts.querySelectorAll("legend")) legend.classList.remove("visually-hidden");
    const legend = act.querySelector("legend");
    legend.classList.remove("visually-hidden");
    legend.textContent = legend.textContent.replace("1", String(number + 1));
    acts.append(act);
    form.elements.acts.value = String(number + 1);
    enliven(act);
    focusOn(act);
  }

  function restart() {
    for (const error of form.querySelectorAll(".field-error")) error.remove();
    for (const field of form.querySelectorAll(".has-error")) field.classList.remove("has-error");
    for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    const first = blank.cloneNode(true);
    acts.replaceChildren(first);
    enliven(first);
    form.elements.acts.value = "1";
    form.elements.id.value = newId();
    const usual = { customers: "1", language: "fi", language_asked: "", day: "", time: "", late_reason: "", occurred_at: "" };
    for (const [name, value] of Object.entries(usual)) form.elements[name].value = value;
    form.querySelector("details").open = false;
    focusOn(first);
  }

  function bringBack(data) {
    restart();
    while (acts.children.length < Number(data.get("acts"))) addAct();
    for (const act of acts.children) {
      const service = data.get(`service-${act.dataset.act}`) ?? "";
      choose(act, service.split(":")[0]);
    }
    for (const [name, value] of data) if (form.elements[name] && name !== "id") form.elements[name].value = value;
    if (data.get("day")) form.querySelector("details").open = true;
    acts.firstElementChild.querySelector("select").focus();
  }

  async function send(data, card) {
    try {
      const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(data), headers: { "x-fragment": "1" } });
      const text = await response.text();
      if (response.status === 201) recorded(card, text);
      else failed(card, response.status === 422 || response.status === 409 ? text : "", form.dataset.failed, form.dataset.mend, () => {
        card.remove();
        bringBack(data);
      });
    } catch {
      failed(card, "", form.dataset.unsent, form.dataset.again, () => {
        card.className = "entry pending";
        card.querySelector(".entry-do").remove();
        send(data, card);
      });
    }
  }

  function recorded(card, html) {
    const answer = new DOMParser().parseFromString(html, "text/html");
    const entry = answer.querySelector("li.entry");
    for (const old of document.querySelectorAll(".entry.fresh")) old.classList.remove("fresh");
    card.replaceWith(entry);
    if (entry.dataset.day === document.getElementById("entries").dataset.day) {
      document.getElementById("count").textContent = answer.getElementById("count").textContent;
    }
    const tags = [...entry.querySelectorAll(".entry-acts .tag")].map((tag) => tag.textContent.trim().replace(/^[✓!]/, "").trim());
    const names = [...entry.querySelectorAll(".act-name")].map((name) => name.textContent.trim());
    document.getElementById("said").textContent = `${form.dataset.said} ${names.map((name, at) => `${name}: ${tags[at]}`).join(", ")}`;
  }
}

function enliven(act) {
  const keys = act.querySelector(".authority-keys");
  const service = act.querySelector("select[name^=service]");
  keys.hidden = false;
  act.all = [...service.children].map((child) => child.cloneNode(true));
  for (const button of keys.children) {
    button.addEventListener("click", () => {
      choose(act, button.dataset.authority);
      service.focus();
    });
  }
  service.addEventListener("change", () => fitTasks(act));
  if (service.value) choose(act, service.value.split(":")[0], service.value);
}

// Show one authority's services only, so that a letter finds one of them.
function choose(act, authority, value = "") {
  const service = act.querySelector("select[name^=service]");
  for (const button of act.querySelectorAll("[data-authority][aria-pressed]")) {
    button.setAttribute("aria-pressed", String(button.dataset.authority === authority));
  }
  const kept = act.all.filter((child) => !child.dataset.authority || child.dataset.authority === authority);
  service.replaceChildren(...kept.map((child) => child.cloneNode(true)));
  const options = service.querySelectorAll("optgroup option");
  service.value = value || (options.length === 1 ? options[0].value : "");
  fitTasks(act);
}

// The tasks that the service has, the usual one chosen.
function fitTasks(act) {
  const chosen = act.querySelector("select[name^=service]").selectedOptions[0];
  const task = act.querySelector("select[name^=task]");
  const own = (chosen?.dataset.tasks ?? "").split(" ");
  for (const option of task.options) option.hidden = Boolean(chosen?.value) && Boolean(option.value) && !own.includes(option.value);
  const fits = task.value && own.includes(task.value);
  if (!fits) task.value = chosen?.dataset.usual ?? "";
}

function focusOn(act) {
  (act.querySelector(".authority-keys button") ?? act.querySelector("select")).focus();
}

// A card at the top of the list, at once.
function waiting(data) {
  const card = document.createElement("li");
  card.className = "entry pending";
  const names = [...document.querySelectorAll("#acts select[name^=service]")]
    .filter((select) => select.value)
    .map((select) => `${select.selectedOptions[0].parentElement.label} – ${select.selectedOptions[0].textContent.trim()}`);
  card.append(part("entry-when", "…"), part("entry-what", ""));
  card.querySelector(".entry-what").append(...names.map((name) => part("act-name", name)), part("entry-facts", document.getElementById("entry").dataset.waiting));
  document.getElementById("no-entries")?.remove();
  document.getElementById("entries").prepend(card);
  return card;
}

function failed(card, html, title, action, act) {
  card.className = "entry failed";
  const facts = card.querySelector(".entry-facts");
  facts.textContent = title;
  card.querySelector("ul")?.remove();
  const listed = html && new DOMParser().parseFromString(html, "text/html").querySelector("ul");
  if (listed) facts.after(listed);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button secondary";
  button.textContent = action;
  button.addEventListener("click", act);
  card.querySelector(".entry-do")?.remove();
  const place = part("entry-do", "");
  place.append(button);
  card.append(place);
  document.getElementById("said").textContent = `${title} ${listed ? listed.textContent : ""}`;
}

function part(name, text) {
  const element = document.createElement("div");
  element.className = name;
  element.textContent = text;
  return element;
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
