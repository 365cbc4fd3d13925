// One session of a standard XMPP client that is not the bench's own: logs in, pings, asks what the server is, closes.
//
// Takes one JSON object on standard input: library ("xmpp.js" or "strophe"), url, domain, username, password, resource,
// mechanism. Prints one JSON object: {"jid", "pong", "features"} or {"refused": condition}, where
// Strophe tells no condition. Every host name leads to loopback.
import { client, xml } from "@xmpp/client";
import { $iq, Strophe } from "strophe.js";
import { WebSocket } from "ws";

globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, {
      lookup: (_, { all }, found) => (all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4)),
    });
  }
};

Strophe.setLogLevel(Strophe.LogLevel.FATAL); // It logs to standard output.

const DISCO = "http://jabber.org/protocol/disco#info";
const PING = "urn:xmpp:ping";

async function withXmppJs({ url, domain, username, password, resource, mechanism }) {
  const credentials = (authenticate) => authenticate({ username, password }, mechanism);
  const session = client({ service: url, domain, resource, credentials });
  session.reconnect.stop();
  session.on("error", () => {}); // What fails rejects start() too.
  try {
    const address = await session.start();
    const pong = await session.iqCaller.request(xml("iq", { type: "get", to: domain }, xml("ping", PING)));
    const info = await session.iqCaller.get(xml("query", DISCO), domain);
    const features = info.getChildren("feature").map((feature) => feature.attrs.var);
    await session.stop();
    return { jid: address.toString(), pong: pong.attrs.type, features };
  } catch (error) {
    if (error.name !== "SASLError") throw error;
    await session.stop();
    return { refused: error.condition };
  }
}

function withStrophe({ url, domain, username, password, resource, mechanism }) {
  const offered = { PLAIN: Strophe.SASLPlain, "SCRAM-SHA-1": Strophe.SASLSHA1, "SCRAM-SHA-256": Strophe.SASLSHA256 };
  const connection = new Strophe.Connection(url, { mechanisms: [offered[mechanism]] });
  const ask = (payload) =>
    new Promise((answered, refused) => {
      connection.sendIQ($iq({ type: "get", to: domain }).c(payload.name, { xmlns: payload.xmlns }), answered, refused);
    });
  return new Promise((done, failed) => {
    let result = null;
    connection.connect(`${username}@${domain}/${resource}`, password, async (status, condition) => {
      if (status === Strophe.Status.CONNECTED) {
        const pong = await ask({ name: "ping", xmlns: PING });
        const info = await ask({ name: "query", xmlns: DISCO });
        const features = Array.from(info.getElementsByTagName("feature"), (feature) => feature.getAttribute("var"));
        result = { jid: connection.jid, pong: pong.getAttribute("type"), features };
        connection.disconnect();
      } else if (status === Strophe.Status.AUTHFAIL) {
        result = { refused: condition };
        connection.disconnect();
      } else if (status === Strophe.Status.DISCONNECTED) {
        result === null ? failed(new Error(`disconnected: ${condition}`)) : done(result);
      }
    });
  });
}

let input = "";
for await (const chunk of process.stdin) input += chunk;
const order = JSON.parse(input);
const run = { "xmpp.js": withXmppJs, strophe: withStrophe }[order.library];
console.log(JSON.stringify(await run(order)));
