// What the bench tells the page, by server-sent events; nothing is lost or shown twice when the connection was.

const AGAIN = 2000; // milliseconds until another try, when the browser itself makes none

/**
 * Listens for ever. `listener` has `snapshot(snapshot)`, `happening(happening)`, `gap(missed)`, `begin()` when another
 * site was brought up, and `contact(state, words)` with the state `here` or `away`.
 */
export function listen(listener) {
  let last = 0;
  let site = null;
  let source;

  function open() {
    source = new EventSource(`/events?since=${last}`);
    source.addEventListener("open", () => listener.contact("here", "Connected to the bench"));
    source.addEventListener("error", lost);
    source.addEventListener("snapshot", (event) => snapshot(JSON.parse(event.data)));
    source.addEventListener("happening", (event) => happening(JSON.parse(event.data)));
    source.addEventListener("gap", (event) => gap(JSON.parse(event.data).missed));
  }

  function snapshot(told) {
    if (site !== null && site !== told.evidence) {
      // Another site has taken the place of the one that was shown: its happenings count from 1 again.
      site = told.evidence;
      last = 0;
      listener.begin();
      source.close();
      open();
      return;
    }
    site = told.evidence;
    listener.snapshot(told);
  }

  function happening(told) {
    if (told.id <= last) return;
    if (told.id > last + 1) gap(told.id - last - 1);
    last = told.id;
    listener.happening(told);
  }

  function gap(missed) {
    last += missed;
    listener.gap(missed);
  }

  async function lost() {
    listener.contact("away", "The connection to the bench is lost; trying again");
    if (source.readyState !== EventSource.CLOSED) return;
    // The browser has given up, and does not tell why; the page's own address does.
    try {
      const answer = await fetch("/");
      if (answer.status === 401) listener.contact("away", await answer.text());
    } catch {
      // Nobody is there, which is what is shown already.
    }
    setTimeout(open, AGAIN);
  }

  open();
}
