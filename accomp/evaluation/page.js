document.documentElement.classList.add('js');
const clips = [...document.querySelectorAll('.clip')].map(root => ({
  root, audio: root.querySelector('audio'), button: root.querySelector('button'),
  wave: root.querySelector('.wave'), head: root.querySelector('i'),
}));
const keep = document.getElementById('keep');
let last = null;  // the clip that sounded last
const ignore = () => {};  // a pause before the sound has begun rejects the promise of play

for (const clip of clips) {
  const {root, audio, button, wave, head} = clip;
  const length = () => audio.duration || Number(wave.getAttribute('aria-valuemax'));
  const show = () => {
    head.style.left = 100 * Math.min(1, audio.currentTime / length()) + '%';
    wave.setAttribute('aria-valuenow', audio.currentTime.toFixed(1));
    if (!audio.paused) requestAnimationFrame(show);
  };
  const wind = seconds => { audio.currentTime = Math.max(0, Math.min(length() - 0.05, seconds)); root.classList.add('touched'); show(); };
  const start = () => {
    if (last && last !== clip) {
      last.audio.pause();
      if (keep.checked && !last.audio.ended) wind(last.audio.currentTime);
    }
    last = clip;
    audio.play().catch(ignore);
  };
  audio.controls = false;
  audio.addEventListener('play', () => { root.classList.add('playing', 'touched'); show(); });
  for (const event of ['pause', 'ended']) audio.addEventListener(event, () => { root.classList.remove('playing'); show(); });
  audio.addEventListener('seeked', show);
  button.addEventListener('click', () => audio.paused ? start() : audio.pause());
  wave.addEventListener('click', event => {
    const box = wave.getBoundingClientRect();
    wind((event.clientX - box.left) / box.width * length());
    if (audio.paused) { last = last === clip ? last : (last?.audio.pause(), clip); audio.play().catch(ignore); }
  });
  wave.addEventListener('keydown', event => {
    const to = {ArrowRight: audio.currentTime + 2, ArrowLeft: audio.currentTime - 2, Home: 0, End: length()}[event.key];
    if (to !== undefined) { event.preventDefault(); wind(to); }
    if (event.key === ' ' || event.key === 'Enter') { event.preventDefault(); button.click(); }
  });
}
for (const radio of document.querySelectorAll('input[name=stem]')) radio.addEventListener('change', () => {
  for (const card of document.querySelectorAll('article')) card.hidden = radio.value !== 'all' && card.dataset.stem !== radio.value;
});
