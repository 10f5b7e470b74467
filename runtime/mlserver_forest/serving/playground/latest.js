// Runs a task for the latest input: at most one at a time, and once more if the input has changed meanwhile.

const PAUSE = 250;

class Latest {
  // `task` is awaited; it reads the input itself.
  constructor(task) {
    this.task = task;
    this.isRunning = false;
    this.isWanted = false;
  }

  // After a pause in typing.
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), PAUSE);
  }

  async now() {
    clearTimeout(this.timer);
    this.isWanted = true;
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.isWanted) {
      this.isWanted = false;
      await this.task();
    }
    this.isRunning = false;
  }
}

// Words for someone who waits, which change the longer it takes.
class Waiting {
  constructor() {
    this.text = element("span", {});
    this.element = element("p", { class: "waiting-words", hidden: true }, element("span", { class: "spinner", "aria-hidden": "true" }), this.text);
  }

  start() {
    this.stop();
    const words = [
      [400, "Asking the model …"],
      [4_000, "Still waiting for the server …"],
      [15_000, "Still waiting: the server may be busy with other requests, or starting …"],
    ];
    this.timers = words.map(([after, text]) => setTimeout(() => this.say(text), after));
  }

  say(text) {
    this.text.textContent = text;
    this.element.hidden = false;
  }

  stop() {
    for (const timer of this.timers ?? []) clearTimeout(timer);
    this.element.hidden = true;
  }
}
