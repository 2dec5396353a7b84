// Words for people: Chinese first, English second.

export let language = localStorage.getItem("language") === "en" ? "en" : "zh";

export function setLanguage(next) {
  language = next;
  localStorage.setItem("language", next);
}

export const t = (zh, en) => (language === "en" ? en : zh);

const word = (table) => (key) => (table[key] ? t(...table[key]) : String(key ?? "—"));

export const posture = word({
  standing: ["站立", "standing"],
  walking: ["行走", "walking"],
  sitting: ["坐", "sitting"],
  slumped: ["瘫坐", "slumped"],
  lying: ["躺卧", "lying"],
  curled: ["蜷缩", "curled up"],
  unknown: ["姿态不明", "posture unknown"],
});

/** A refusal in the language of the page. */
export const wordsOf = (error) => t(error.message, error.english ?? error.message);

export const state = word({
  CANDIDATE: ["观察中", "candidate"],
  EXPIRED: ["已消失", "expired"],
  REVIEW: ["待复核", "to review"],
  REJECTED: ["已驳回", "rejected"],
  PUSHED: ["已上报", "pushed"],
  ACCEPTED: ["已立案", "accepted"],
  NOT_ACCEPTED: ["不予立案", "not accepted"],
  DISPATCHED: ["已派遣", "dispatched"],
  ARRIVED: ["已到场", "arrived"],
  HANDLED: ["已处置", "handled"],
  VERIFIED: ["已核查", "verified"],
  CLOSED: ["已结案", "closed"],
  EVALUATED: ["已评价", "evaluated"],
  EXTENDED: ["延期", "extended"],
  RETURNED: ["被退回", "returned"],
  SUSPENDED: ["挂账", "suspended"],
  URGED: ["督办", "urged"],
  VOID: ["作废", "void"],
  MERGED: ["已并案", "merged"],
});

export const decision = word({
  confirmed: ["确认派单", "confirmed"],
  object: ["驳回:物体", "rejected: object"],
  animal: ["驳回:动物", "rejected: animal"],
  worker: ["驳回:工作人员", "rejected: worker"],
  "passer-by": ["驳回:路人", "rejected: passer-by"],
  timeout: ["超时自动上报【未经人工复核】", "pushed by timeout, not reviewed"],
});

export const delivery = word({
  "not-due": ["未上报", "not due"],
  waiting: ["正在送达", "on its way"],
  delivered: ["已送达", "delivered"],
  parked: ["被平台拒收,须人工处理", "refused by the city: act"],
});

export const result = word({
  ESCORTED_STATION: ["护送进站", "escorted to the station"],
  HOSPITAL_120: ["送医", "taken to hospital"],
  POLICE_IDENTITY: ["报公安查身份", "police, identity"],
  PSYCH: ["疑似精神障碍送医", "psychiatric hospital"],
  MINOR: ["未成年人", "minor"],
  SHELTER_POINT: ["引导至避寒点", "led to a warm shelter"],
  SUPPLIES_REFUSED: ["发放物资·本人拒绝进站", "supplies given, refused shelter"],
  FAMILY: ["家属接回", "taken home by family"],
  LEFT: ["已离开", "had left"],
  NOT_FOUND: ["未发现", "not found"],
  FALSE_ANIMAL: ["误报:动物", "false: animal"],
  FALSE_OBJECT: ["误报:物体", "false: object"],
  FALSE_WORKER: ["误报:工作人员", "false: worker"],
  FALSE_PASSERBY: ["误报:路人", "false: passer-by"],
  DUPLICATE: ["重复", "duplicate"],
  DECEASED: ["死亡", "deceased"],
});

export const alertLevel = word({
  none: ["无预警", "no warning"],
  blue: ["蓝色预警", "blue warning"],
  yellow: ["黄色预警", "yellow warning"],
  orange: ["橙色预警", "orange warning"],
  red: ["红色预警", "red warning"],
});

export const outcome = word({
  examined: ["已检查", "examined"],
  unchanged: ["无变化", "unchanged"],
  "unusable-dark": ["过暗", "dark"],
  "unusable-covered": ["被遮挡", "covered"],
  "unusable-blurred": ["模糊", "blurred"],
  "unusable-frozen": ["画面冻结", "frozen"],
  "unusable-scene-change": ["场景突变", "scene change"],
  stale: ["被新图替代", "stale"],
  undecodable: ["无法解码", "undecodable"],
  "failed-detector": ["检测器出错", "detector failed"],
  "failed-unsupported": ["格式不支持", "unsupported"],
  "failed-panicked": ["检查中断", "broke off"],
});

// As `CameraCondition` has them: outcomes of looks, and what only a camera can be.
const WHY = (why) => ({ stalled: t("画面停止", "stalled"), restarted: t("系统重启后尚未查看", "not seen since the restart") })[why] ?? outcome(why);

export const modality = word({ visible: ["可见光", "visible"], thermal: ["热像", "thermal"] });

export const group = word({
  waiting: ["待处理", "Waiting"],
  candidate: ["观察中", "Watching"],
  underway: ["处置中", "Under way"],
  closed: ["已结束", "Closed"],
});

export function condition(value) {
  if (value.state === "seeing") return t("正常", "seeing");
  if (value.state === "lost") return t("无画面", "no pictures");
  return t(`看不清:${WHY(value.why)}`, `cannot see: ${WHY(value.why)}`);
}

/** Overrides are named `still-20-min-at-or-below-6-c` and the like; one that is not known is shown as it is. */
export function override(name) {
  const match = /(?:still|down|motionless)-(\d+)-min(?:-at-or-below-(-?\d+)-c)?/.exec(name);
  if (!match) return name;
  const [, minutes, cold] = match;
  const raised = cold === undefined ? "C" : Number(cold) <= 0 ? "A" : "B";
  const zh = cold === undefined ? "" : ` 且有效体感 ≤ ${cold} °C`;
  const en = cold === undefined ? "" : ` at W_eff ≤ ${cold} °C`;
  return t(`倒卧静止 ≥ ${minutes} 分钟${zh}:至少 ${raised} 级`, `down and still ≥ ${minutes} min${en}: at least ${raised}`);
}

/** Nanoseconds since 1970 to milliseconds. */
export const ms = (ns) => ns / 1e6;

const SHANGHAI_MS = 8 * 3600e3;
const shanghai = (at) => new Date(at + SHANGHAI_MS).toISOString();
export const clockTime = (at) => shanghai(at).slice(11, 19);
export const dateTime = (at) => `${shanghai(at).slice(5, 10)} ${shanghai(at).slice(11, 19)}`;

export function ago(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return t(`${seconds} 秒`, `${seconds} s`);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return t(`${minutes} 分`, `${minutes} min`);
  return t(`${Math.floor(minutes / 60)} 时 ${minutes % 60} 分`, `${Math.floor(minutes / 60)} h ${minutes % 60} min`);
}

export const minutesStill = (lead, now) => (lead.still_since === null ? null : Math.max(0, Math.floor((now - ms(lead.still_since)) / 60e3)));

export const degrees = (value) => (typeof value === "number" ? `${value.toFixed(1)} °C` : "—");

/** Swaps the fixed words of the page; each element carries its English, the Chinese is kept beside it. */
export function translatePage(root) {
  root.documentElement.lang = language === "en" ? "en" : "zh-CN";
  for (const node of root.querySelectorAll("[data-en]")) {
    node.dataset.zh ??= node.textContent;
    node.textContent = t(node.dataset.zh, node.dataset.en);
  }
  for (const node of root.querySelectorAll("[data-aria]")) node.setAttribute("aria-label", t(...node.dataset.aria.split("|")));
  for (const node of root.querySelectorAll("[data-title]")) node.title = t(...node.dataset.title.split("|"));
}

// Stable kinds of rings, as the desk gives them.
export const ringing = word({
  "new-lead": ["新线索", "new lead"],
  "tier-up": ["等级上升", "more urgent"],
  "one-more": ["又多一人", "one more person"],
  "one-fewer": ["少了一人", "one person fewer"],
  "lying-now": ["现已躺倒", "lying now"],
  "still-20-min": ["静止超过20分钟", "still past 20 min"],
  moved: ["位置移动", "moved"],
  unanswered: ["无人处置", "unanswered"],
  "pushed-unreviewed": ["未经复核已上报", "pushed unreviewed"],
  "no-case-id": ["平台未受理,请电话联系", "no case yet: phone the city"],
  urge: ["未派遣,请督办", "not dispatched: urge"],
  "arrive-overdue": ["超时未到场", "nobody on site in time"],
  reopened: ["结果与画面不符,已重开", "reopened: still there"],
  "came-back": ["判为物体,仍在", "judged an object, still there"],
  "watch-changed": ["关注点有变化", "watched place changed"],
  "watch-still": ["关注点久静不动", "watched person still"],
  revisit: ["请回访", "revisit"],
  "camera-lost": ["摄像机看不到", "camera cannot see"],
  countersign: ["不予立案,请会签", "not accepted: countersign"],
  returned: ["被退回,请改派", "returned: re-route"],
  "sudden-event": ["突发事件,30分钟内电话报告", "sudden event: phone within 30 min"],
  "delivery-parked": ["平台拒收,须人工处理", "refused by the city: act"],
  "delivery-delayed": ["尚未送达", "not delivered yet"],
  "delivery-unauthorised": ["密钥被拒", "key refused"],
  back: ["久未见后再次看到", "seen again after long"],
  unjudged: ["无法判断是否仍在", "cannot tell whether still there"],
  "mapping-alarm": ["平台状态未配置映射", "a state of the city is not mapped"],
});
