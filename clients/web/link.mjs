// The socket to the server: opens again by itself, and says why when it may not.

const AGAIN_MS = [250, 500, 1000, 2000];
export const TAKEN = 4001, MOVED = 4002, STRANGER = 4003; // accomp/server/web.py

/** `on` has functions open(), message(bytes), close(code): what happens. */
export class Link {
  constructor(token, on) {
    this.token = token;
    this.on = on;
    this.page = sessionStorage.getItem("page") ?? crypto.getRandomValues(new Uint32Array(2)).join("");
    sessionStorage.setItem("page", this.page);
    this.tries = 0;
    this.open();
  }

  open(take = false) {
    clearTimeout(this.timer);
    const query = new URLSearchParams({ token: this.token, page: this.page, ...(take && { take: 1 }) });
    const socket = (this.socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket?${query}`));
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.tries = 0;
      this.on.message(new Uint8Array(data));
    };
    socket.onopen = () => this.on.open();
    socket.onclose = ({ code }) => {
      if (socket !== this.socket) return;
      this.on.close(code);
      if (code !== TAKEN && code !== MOVED && code !== STRANGER) this.again();
    };
  }

  again() {
    this.timer = setTimeout(() => this.open(), AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)]);
  }

  send(bytes) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }
}
