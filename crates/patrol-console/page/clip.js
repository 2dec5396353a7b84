// The clip of a lead as its camera sent it. What the browser cannot play (mostly H.265) is shown as the preview it was taken with.

import { byId, h, setText } from "./dom.js";
import { fit } from "./seen.js";
import { clockTime, ms, t } from "./words.js";

const PREVIEW_MS = 250;

let turning = null;
let opened = 0;

/** The clip of `shown`, a piece of the lead's evidence. */
export function openClip(lead, shown, page) {
  const number = ++opened;
  const clip = {
    url: page.picture(shown.clip_sha256, lead.id, "mp4"),
    previews: shown.preview_sha256.map((sha256) => page.picture(sha256, lead.id)),
  };
  const title = `${lead.camera_name} ${clockTime(ms(shown.captured.at))}`;
  setText(byId("clip-title"), t(`录像:${title}`, `Clip: ${title}`));
  say(t("按收到的原样保存,未重新编码", "kept as it was received, not re-encoded"));
  const link = byId("clip-download");
  link.href = `${clip.url}&download=1`;
  const stage = byId("clip-stage");
  fit(stage, shown.size.width, shown.size.height);
  const video = h("video", { controls: true, autoplay: true, playsinline: true });
  const cannot = async () => {
    if (number !== opened || !video.isConnected) return;
    video.remove();
    await preview(clip, number);
  };
  video.addEventListener("error", cannot);
  // A file whose picture cannot be decoded may still count as playable, with nothing to see.
  video.addEventListener("loadedmetadata", () => video.videoWidth === 0 && cannot());
  stage.replaceChildren(video);
  video.src = clip.url;
  byId("clip").showModal();
  video.focus();
}

async function preview(clip, number) {
  const refused = await refusal(clip.url);
  if (number !== opened || !byId("clip").open) return;
  if (refused) return say(refused, "bad");
  if (clip.previews.length === 0) {
    return say(t("本浏览器不能播放此录像(多为 H.265 编码),也没有预览;可下载后用播放器打开", "this browser cannot play it (mostly H.265) and there is no preview: download it for a player"), "bad");
  }
  say(t("本浏览器不能播放此录像(多为 H.265 编码):改为显示预览图;原件可下载后用播放器打开", "this browser cannot play it (mostly H.265): here is its preview; download it for a player"), "bad");
  const image = h("img", { alt: t("此前的画面", "the moments before"), draggable: "false" });
  let at = 0;
  const turn = () => {
    image.src = clip.previews[at++ % clip.previews.length];
  };
  turn();
  turning = setInterval(turn, PREVIEW_MS);
  byId("clip-stage").replaceChildren(image);
}

/** Words, when it was the server that did not give it. */
async function refusal(url) {
  try {
    const response = await fetch(url, { headers: { Range: "bytes=0-0" }, cache: "no-store" });
    if (response.ok) return null;
    const body = await response.json();
    return t(body.error, body.error_en);
  } catch {
    return t("连接中断,录像没有取到", "connection lost, the clip did not arrive");
  }
}

function say(text, kind = "quiet") {
  setText(byId("clip-words"), text);
  byId("clip-words").className = kind;
}

byId("clip").addEventListener("close", () => {
  opened++;
  clearInterval(turning);
  turning = null;
  const video = byId("clip-stage").querySelector("video");
  video?.pause();
  video?.removeAttribute("src");
  video?.load();
  byId("clip-stage").replaceChildren();
});
