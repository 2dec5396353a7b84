// Two tones for a ring, four for one that has gone to the leader. Off until an officer turns it on: browsers ask for that.

let audio = null;

/** Turns the sound on; must be called by a click. */
export function soundOn() {
  audio ??= new AudioContext();
  audio.resume();
  beep(false);
}

export function beep(leader) {
  if (!audio) return;
  const tones = leader ? [880, 660, 880, 660] : [740, 990];
  tones.forEach((hertz, index) => {
    const at = audio.currentTime + index * 0.22;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.2);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.21);
  });
}
