type Held = { name: string; mode: LockMode; release: () => void };
type Waiting = { name: string; mode: LockMode; grant: () => void };

/** Web Locks of one origin, as several tabs see them. Node has none. */
export class FakeLocks {
  held: Held[] = [];
  #waiting: Waiting[] = [];

  request(
    name: string,
    options: LockOptions | LockGrantedCallback<unknown>,
    callback?: LockGrantedCallback<unknown>,
  ) {
    const run = (callback ?? options) as LockGrantedCallback<unknown>;
    const mode = (typeof options === "object" && options.mode) || "exclusive";
    return new Promise((resolve, reject) => {
      const grant = () => {
        const held: Held = {
          name,
          mode,
          release: () => {
            this.held = this.held.filter((h) => h !== held);
            this.#next();
          },
        };
        this.held.push(held);
        Promise.resolve(run({ name, mode })).then(resolve, reject).finally(held.release);
      };
      const waiting = { name, mode, grant };
      this.#waiting.push(waiting);
      if (typeof options === "object") {
        options.signal?.addEventListener("abort", () => {
          if (!this.#waiting.includes(waiting)) return;
          this.#waiting = this.#waiting.filter((w) => w !== waiting);
          reject(new DOMException("", "AbortError"));
        });
      }
      this.#next();
    });
  }

  async query() {
    return { held: this.held.map(({ name, mode }) => ({ name, mode })), pending: [] };
  }

  #next() {
    for (const waiting of this.#waiting) {
      const same = this.held.filter((h) => h.name === waiting.name);
      if (same.some((h) => h.mode === "exclusive" || waiting.mode === "exclusive")) continue;
      this.#waiting = this.#waiting.filter((w) => w !== waiting);
      waiting.grant();
    }
  }
}
