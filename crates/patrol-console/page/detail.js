// One lead: the picture with its box, why it is here, where it is, what became of it.

import { h, scene, setText } from "./dom.js";
import { ago, alertLevel, clockTime, dateTime, decision, degrees, delivery, language, minutesStill, ms, override, posture, result, ringing, state, t } from "./words.js";

const PREVIEW_MS = 250;
/** The city's crews must be on site within this time of the report (notice 001). */
const ON_SITE_MINUTES = 30;
/** Weights of integration.md §6.6. */
const WEIGHTS = [
  ["cold", 45],
  ["duration", 25],
  ["posture", 20],
  ["context", 10],
];

let pictures = null;
let ticking = [];
let shown = null;

/** Since when the picture of this lead has been on the screen (or is known not to come); null: nobody decides on what he has not seen. */
export const pictureShownAt = (id) => (pictures !== null && pictures.lead === id ? pictures.shownAt : null);

export function renderDetail(box, lead, page, act) {
  // Rebuilt only when it would differ, so that focus and selected text survive what happens to other leads.
  const content = JSON.stringify([lead, page.operator, page.reason, page.busy, page.rejecting, page.drawing, page.loaded, language]);
  if (content === shown) return;
  shown = content;
  ticking = [];
  if (!lead) {
    pictures?.stop();
    pictures = null;
    box.replaceChildren(h("p", { class: "empty" }, page.loaded ? t("选择左侧的线索", "Choose a lead on the left") : ""));
    return;
  }
  const key = `${lead.id} ${language} ${page.operator} ${page.reason} ${lead.evidence.map((evidence) => evidence.whole_sha256 + evidence.crop_sha256 + evidence.clip_sha256).join()}`;
  if (pictures?.key !== key) {
    pictures?.stop();
    pictures = new Pictures(key, lead, page, act);
  } else pictures.refresh(lead);
  const scroll = box.querySelector(".scroll")?.scrollTop ?? 0;
  const same = box.dataset.lead === lead.id;
  box.dataset.lead = lead.id;
  box.className = `tier-${lead.tier}`;
  box.replaceChildren(
    heading(lead),
    h(
      "div",
      { class: "scroll" },
      h(
        "div",
        { class: "columns" },
        h("div", { class: "pictures" }, pictures.node, history(lead)),
        h("div", { class: "facts" }, why(lead), weather(lead), place(lead), cityCase(lead), relations(lead, act)),
      ),
    ),
    actions(lead, page, act),
  );
  if (same) box.querySelector(".scroll").scrollTop = scroll;
  tickDetail();
}

export function tickDetail() {
  for (const update of ticking) update(scene.now());
}

function live(node, text) {
  ticking.push((now) => setText(node, text(now)));
  return node;
}

function heading(lead) {
  const facts = live(h("span", {}), (now) => {
    const minutes = minutesStill(lead, now);
    const parts = [posture(lead.posture)];
    if (minutes !== null) parts.push(t(`静止 ${minutes} 分钟`, `still ${minutes} min`));
    parts.push(t(`${lead.people} 人`, `${lead.people} ${lead.people === 1 ? "person" : "people"}`));
    if (!lead.resolved) parts.push(t("热源未辨明是否为人", "warm spot, not confirmed as a person"));
    return parts.join(" · ");
  });
  const times = live(h("span", { class: "quiet" }), (now) =>
    t(
      `首见 ${clockTime(ms(lead.first_seen))} · 最近 ${ago(now - ms(lead.last_seen))}前 · ${state(lead.state)} ${ago(now - ms(lead.state_since))}`,
      `first ${clockTime(ms(lead.first_seen))} · last ${ago(now - ms(lead.last_seen))} ago · ${state(lead.state)} ${ago(now - ms(lead.state_since))}`,
    ),
  );
  return h(
    "div",
    { class: "heading" },
    lead.advice.map((advice) => h("p", { class: `advice ${advice.kind}`, role: "alert" }, t(advice.text, advice.text_en))),
    h(
      "div",
      { class: "title" },
      h("b", { class: "tier" }, lead.tier),
      h("div", {}, h("h2", {}, lead.camera_name), h("p", { class: "headline" }, facts), h("p", {}, times)),
      h("div", { class: "score" }, h("b", { class: "number" }, lead.score.value.toFixed(1)), h("small", {}, t("暴露评分", "exposure")), h("small", { class: "number quiet" }, lead.id)),
    ),
    lead.ringing ? h("p", { class: "ring-line" }, h("b", { class: "bell" }, t("响铃", "ringing")), ` ${ringing(lead.ringing.why)}`, lead.ringing.leader ? t("(已通知带班领导)", " (leader told)") : "") : null,
  );
}

const section = (title, ...children) => h("section", {}, h("h3", {}, title), ...children);

function why(lead) {
  const { score } = lead;
  const names = {
    cold: [t("寒冷", "Cold"), t(`有效体感 ${degrees(score.w_eff_c)}`, `W_eff ${degrees(score.w_eff_c)}`)],
    duration: [t("时长", "Duration"), t("静止越久越高", "the longer still the higher")],
    posture: [t("姿态", "Posture"), posture(lead.posture)],
    context: [t("环境", "Context"), t("点位与遮盖", "place and cover")],
  };
  const bars = WEIGHTS.map(([name, weight]) => {
    const value = score[name] ?? 0;
    const points = value * weight * score.posture_gate;
    return h(
      "div",
      { class: "bar", title: t(`${value.toFixed(2)} × ${weight} × 姿态系数 ${score.posture_gate.toFixed(2)}`, `${value.toFixed(2)} × ${weight} × gate ${score.posture_gate.toFixed(2)}`) },
      h("span", {}, names[name][0]),
      h("span", { class: "meter", role: "img", "aria-label": `${names[name][0]} ${value.toFixed(2)}` }, h("i", { style: { width: `${Math.round(Math.min(1, Math.max(0, value)) * 100)}%` } })),
      h("span", { class: "number" }, `+${points.toFixed(1)}`),
      h("span", { class: "quiet" }, names[name][1]),
    );
  });
  const raised = score.overrides.map((name) => h("li", {}, `⬆ ${override(name)}`));
  return section(
    t("为什么", "Why"),
    ...bars,
    h(
      "p",
      { class: "quiet" },
      t(
        `评分本身 ${score.tier_by_score} 级${score.tier === score.tier_by_score ? "" : `,规则提升为 ${score.tier} 级`} · 检测置信 p ${lead.confidence.toFixed(2)}(只影响排序)`,
        `tier ${score.tier_by_score} by score${score.tier === score.tier_by_score ? "" : `, raised to ${score.tier}`} · confidence p ${lead.confidence.toFixed(2)} (ranks only)`,
      ),
    ),
    raised.length > 0 ? h("ul", { class: "overrides" }, raised) : null,
  );
}

function weather(lead) {
  const { weather: used, weather_assumed: assumed, wind_chill_c: chill, w_eff_c: effective } = lead.score;
  const parts = [
    t(`气温 ${degrees(used.air_c)}`, `air ${degrees(used.air_c)}`),
    t(`风寒 ${degrees(chill)}`, `wind chill ${degrees(chill)}`),
    typeof used.wind_kmh === "number" ? t(`风 ${used.wind_kmh.toFixed(0)} km/h`, `wind ${used.wind_kmh.toFixed(0)} km/h`) : t("风速未知,按 5 km/h", "wind unknown, taken as 5 km/h"),
    used.precip_mm_h > 0.1 || used.wet_ground ? t(`潮湿,有效体感 ${degrees(effective)}`, `wet, W_eff ${degrees(effective)}`) : t("干燥", "dry"),
    alertLevel(used.alert),
  ];
  return section(
    t("气象", "Weather"),
    h("p", {}, parts.join(" · ")),
    assumed ? h("p", { class: "bad" }, t("气象缺失或超过 3 小时:按较冷的推定值计算", "Weather missing or older than 3 h: the colder assumption was taken")) : null,
  );
}

function place(lead) {
  const position = lead.position ?? lead.place.position;
  const lines = [];
  if (lead.address) lines.push(h("p", {}, lead.address));
  const area = [lead.street, lead.grid && t(`网格 ${lead.grid}`, `grid ${lead.grid}`), lead.camera_code && t(`设备 ${lead.camera_code}`, `device ${lead.camera_code}`)].filter(Boolean);
  if (area.length > 0) lines.push(h("p", { class: "quiet" }, area.join(" · ")));
  if (position) {
    const crs = position.crs === "WGS84" ? "WGS-84" : "GCJ-02";
    lines.push(
      h(
        "p",
        {},
        h("span", { class: "number select" }, `${position.lat.toFixed(6)}, ${position.lon.toFixed(6)}`),
        ` ${crs} `,
        h("b", {}, t(`误差 ±${position.error_m.toFixed(0)} 米`, `±${position.error_m.toFixed(0)} m`)),
      ),
    );
    if (position.error_m > 10) lines.push(h("p", { class: "quiet" }, t("误差大于 10 米:请结合画面找人", "error over 10 m: find the person by the picture")));
  } else lines.push(h("p", { class: "quiet" }, t("摄像机未标定,无坐标;请按地址与画面找人", "the camera is not calibrated: no coordinates")));
  return section(t("地点", "Place"), ...lines);
}

function cityCase(lead) {
  const lines = [h("p", {}, t("上报:", "Delivery: "), h("b", { class: lead.delivery === "parked" ? "bad" : "" }, delivery(lead.delivery)), ` · ${t("第", "rev. ")}${lead.revision}${t(" 版", "")}`)];
  if (lead.delivery === "parked") lines.push(h("p", { class: "bad" }, t("平台不收,现场的人仍在等:请电话上报,并通知平台工程师", "The city refuses it and the person still waits: report by phone, and tell the platform engineer")));
  if (lead.review) lines.push(h("p", {}, `${decision(lead.review.decision)} · ${lead.review.by} · ${clockTime(ms(lead.review.at))}`, lead.review.reason ? ` · ${lead.review.reason}` : ""));
  const { case: theirs } = lead;
  if (theirs.case_id) lines.push(h("p", {}, t("案件 ", "case "), h("span", { class: "number select" }, theirs.case_id), theirs.unit ? ` · ${theirs.unit}` : ""));
  if (theirs.result) lines.push(h("p", {}, t("处置结果:", "result: "), h("b", {}, result(theirs.result))));
  if (lead.review && ["PUSHED", "ACCEPTED", "DISPATCHED", "URGED", "RETURNED"].includes(lead.state)) {
    const node = h("p", { class: "on-site" });
    ticking.push((now) => {
      const minutes = Math.floor((now - ms(lead.review.at)) / 60e3);
      node.classList.toggle("bad", minutes >= ON_SITE_MINUTES);
      setText(node, t(`上报后 ${minutes} 分钟,应在 ${ON_SITE_MINUTES} 分钟内到场`, `${minutes} min since the report; on site within ${ON_SITE_MINUTES}`));
    });
    lines.push(node);
  }
  return section(t("案件与送达", "Case and delivery"), ...lines);
}

function relations(lead, act) {
  const lines = [];
  if (lead.merged_into) lines.push(h("p", {}, t("已并入 ", "merged into "), lead.merged_into, " ", h("button", { type: "button", onclick: () => act("split", lead.id) }, t("拆出", "Split out"))));
  for (const id of lead.merged_from) lines.push(h("p", {}, t("并入本条:", "merged here: "), id, " ", h("button", { type: "button", onclick: () => act("split", id) }, t("拆出", "Split out"))));
  if (lead.linked.length > 0) lines.push(h("p", { class: "quiet" }, t(`72 小时内此处:${lead.linked.join("、")}`, `here within 72 h: ${lead.linked.join(", ")}`)));
  return lines.length > 0 ? section(t("相关线索", "Related"), ...lines) : null;
}

function history(lead) {
  const lines = [...lead.history].reverse().map((entry) => h("li", {}, h("time", { class: "number" }, dateTime(ms(entry.at))), h("span", {}, entry.text), h("small", {}, entry.by)));
  return section(t("经过", "History"), h("ol", { class: "history" }, lines));
}

/** Whether a person's word on this lead can be taken back. */
export const canUndo = (lead) => (lead.review !== null && lead.review.decision !== "timeout") || lead.merged_into !== null;

function actions(lead, page, act) {
  const off = !lead.decidable || page.busy;
  const press = (name, ...rest) => (event) => {
    event.currentTarget.blur();
    act(name, ...rest);
  };
  const button = (className, disabled, onclick, ...words) => h("button", { type: "button", class: className, disabled, onclick }, ...words);
  if (page.rejecting) {
    const choice = (key, value, words) => button("reject", off, press("review", value), h("kbd", {}, key), ` ${words}`);
    return h(
      "div",
      { class: "actions rejecting", role: "group", "aria-label": t("驳回理由", "Reason for rejecting") },
      h("span", {}, t("驳回理由:", "Reject as:")),
      choice("1", "object", t("物体", "object")),
      choice("2", "animal", t("动物", "animal")),
      choice("3", "worker", t("工作人员", "worker")),
      choice("4", "passer-by", t("路人", "passer-by")),
      button("", false, press("cancel"), h("kbd", {}, "Esc"), t(" 取消", " cancel")),
    );
  }
  return h(
    "div",
    { class: "actions", role: "group", "aria-label": t("决定", "Decide") },
    button("confirm", off, press("review", "confirmed"), h("kbd", {}, "Y"), t(" 确认派单", " Confirm, dispatch")),
    button("reject", off, press("rejecting"), h("kbd", {}, "N"), t(" 驳回…", " Reject…")),
    lead.ringing ? button("ring", page.busy, press("acknowledge"), h("kbd", {}, "M"), t(" 应答响铃", " Answer ring")) : null,
    canUndo(lead) ? button("", page.busy, press("undo"), t("撤销决定", "Undo decision")) : null,
    h("span", { class: "spacer" }),
    button("", page.busy || lead.merged_into, press("merge"), t("并入…", "Merge…")),
    button(page.drawing ? "on" : "", page.busy || lead.evidence.length === 0, press("draw"), t("补报一人", "Add a person")),
  );
}

/** Whole picture with its box, crop, and the preview as a flip-book. */
class Pictures {
  constructor(key, lead, page, act) {
    this.key = key;
    this.lead = lead.id;
    this.page = page;
    this.act = act;
    this.evidence = lead.evidence;
    this.shownAt = this.evidence.length === 0 ? performance.now() : null;
    this.index = this.evidence.length - 1;
    this.timer = null;
    this.node = h("div", { class: "picture-box" });
    this.tools = h("div", { class: "tools", role: "group", "aria-label": t("再看", "See more") });
    this.show(this.index);
  }

  refresh(lead) {
    this.evidence = lead.evidence;
    this.stage?.classList.toggle("drawing", this.page.drawing);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }

  show(index) {
    this.stop();
    this.index = Math.min(this.evidence.length - 1, Math.max(0, index));
    const shown = this.evidence[this.index];
    const tool = (key, name, words) => {
      const press = (event) => {
        event.currentTarget.blur();
        this.act(name);
      };
      return h("button", { type: "button", onclick: press }, h("kbd", {}, key), ` ${words}`);
    };
    this.tools.replaceChildren(tool("L", "look", t("立即查看", "Look now")), tool("V", "live", t("实时画面", "Live")));
    if (shown?.clip_sha256) this.tools.append(tool("P", "clip", t("播放录像", "Play clip")));
    if (!shown) return this.node.replaceChildren(this.tools, h("p", { class: "empty" }, t("此线索没有图像", "This lead has no pictures")));
    if (!this.page.operator) return this.node.replaceChildren(h("p", { class: "empty" }, t("登记后才能查看图像", "Sign in to view pictures")));
    const url = (sha256) => this.page.picture(sha256, this.lead);
    const whole = h("img", { class: "whole", alt: t("全图", "whole picture"), draggable: "false" });
    const failed = h("p", { class: "picture-error", hidden: true });
    whole.addEventListener("load", () => (this.shownAt ??= performance.now()));
    whole.addEventListener("error", async () => {
      this.shownAt ??= performance.now();
      failed.hidden = false;
      failed.textContent = t("图像无法显示", "the picture cannot be shown");
      try {
        const response = await fetch(url(shown.whole_sha256));
        const body = await response.json();
        failed.textContent = t(body.error, body.error_en);
      } catch {
        // The words above stand.
      }
    });
    whole.src = url(shown.whole_sha256);
    const percent = (value, of) => `${(100 * value) / of}%`;
    const { bbox, size } = shown;
    const frame = h("span", {
      class: "frame",
      style: { left: percent(bbox.x, size.width), top: percent(bbox.y, size.height), width: percent(bbox.w, size.width), height: percent(bbox.h, size.height) },
    });
    this.stage = h("div", { class: `stage${this.page.drawing ? " drawing" : ""}`, style: { aspectRatio: `${size.width} / ${size.height}`, width: `min(100%, calc(42vh * ${size.width / size.height}))` } }, whole, frame, failed);
    this.drawable(this.stage, shown);
    const crop = h("figure", {}, h("img", { class: "crop", src: url(shown.crop_sha256), alt: t("裁剪图", "crop"), draggable: "false" }), h("figcaption", {}, t("裁剪图", "crop")));
    const step = (by) => (event) => {
      event.currentTarget.blur();
      this.show(this.index + by);
    };
    this.node.replaceChildren(
      this.tools,
      this.stage,
      h("div", { class: "strip" }, crop, this.flipBook(shown, url)),
      h(
        "p",
        { class: "quiet caption" },
        h("button", { type: "button", disabled: this.index === 0, onclick: step(-1), "aria-label": t("较早的证据", "earlier evidence") }, "‹"),
        ` ${this.index + 1}/${this.evidence.length} `,
        h("button", { type: "button", disabled: this.index === this.evidence.length - 1, onclick: step(1), "aria-label": t("较晚的证据", "later evidence") }, "›"),
        t(` 摄于 ${dateTime(ms(shown.captured.at))}(±${(shown.captured.error_ms / 1000).toFixed(1)} 秒) · ${posture(shown.posture)} · ${shown.model}`, ` taken ${dateTime(ms(shown.captured.at))} (±${(shown.captured.error_ms / 1000).toFixed(1)} s) · ${posture(shown.posture)} · ${shown.model}`),
      ),
    );
  }

  flipBook(shown, url) {
    const previews = shown.preview_sha256;
    if (previews.length === 0) return h("p", { class: "quiet" }, t("无预览", "no preview"));
    const sources = previews.map(url);
    const image = h("img", { class: "preview", src: sources[0], alt: t("此前的画面", "the moments before"), draggable: "false" });
    const slider = h("input", { type: "range", min: "0", max: String(sources.length - 1), value: "0", tabindex: "-1", "aria-label": t("预览位置", "preview position") });
    const counter = h("span", { class: "number quiet" });
    const button = h("button", { type: "button", "aria-label": t("播放", "play") }, "▶");
    let at = 0;
    const turn = (to) => {
      at = to % sources.length;
      image.src = sources[at];
      slider.value = String(at);
      setText(counter, `${at + 1}/${sources.length}`);
    };
    this.toggle = () => {
      if (this.timer) this.stop();
      else this.timer = setInterval(() => turn(at + 1), PREVIEW_MS);
      setText(button, this.timer ? "❚❚" : "▶");
    };
    button.addEventListener("click", () => {
      button.blur();
      this.toggle();
    });
    slider.addEventListener("input", () => {
      this.stop();
      setText(button, "▶");
      turn(Number(slider.value));
    });
    slider.addEventListener("change", () => slider.blur());
    turn(0);
    return h("figure", {}, image, h("figcaption", { class: "player" }, button, slider, counter));
  }

  /** A person the detector missed: the officer draws a box, in pixels of the picture. */
  drawable(stage, { camera, size }) {
    let from = null;
    let box = null;
    const at = (event) => {
      const area = stage.getBoundingClientRect();
      const part = (value, extent) => Math.min(1, Math.max(0, value / extent));
      return { x: part(event.clientX - area.left, area.width) * size.width, y: part(event.clientY - area.top, area.height) * size.height };
    };
    const span = (to) => ({ x: Math.min(from.x, to.x), y: Math.min(from.y, to.y), w: Math.abs(from.x - to.x), h: Math.abs(from.y - to.y) });
    stage.addEventListener("pointerdown", (event) => {
      if (!this.page.drawing) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      from = at(event);
      box = h("span", { class: "frame drawn" });
      stage.append(box);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!from) return;
      const drawn = span(at(event));
      Object.assign(box.style, { left: `${(100 * drawn.x) / size.width}%`, top: `${(100 * drawn.y) / size.height}%`, width: `${(100 * drawn.w) / size.width}%`, height: `${(100 * drawn.h) / size.height}%` });
    });
    stage.addEventListener("pointerup", (event) => {
      if (!from) return;
      const drawn = span(at(event));
      from = null;
      box.remove();
      this.act("drawn", { bbox: drawn, camera, size });
    });
  }
}

/** The evidence on the screen. */
export const shownEvidence = () => pictures?.evidence[pictures.index];
export const togglePreview = () => pictures?.toggle?.();
export const stepEvidence = (by) => pictures?.show(pictures.index + by);
