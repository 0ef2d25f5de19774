// A @grpc/grpc-js client of echo.proto: node client.js ADDRESS AUTHORITY. One call of each kind; prints a line for each that went well.
"use strict";
const path = require("path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const TEXT = "three short words";
const WORDS = TEXT.split(" ");
const [address, authority] = process.argv.slice(2);

const { Echo } = grpc.loadPackageDefinition(loader.loadSync(path.join(__dirname, "..", "echo.proto"))).interop;
const client = new Echo(address, grpc.credentials.createInsecure(), { "grpc.default_authority": authority });
const deadline = () => ({ deadline: Date.now() + 20000 });
const metadata = new grpc.Metadata();
metadata.set("x-caller", "node");

// The trailing metadata of a call; rejected when the call fails.
const trailer = (call) =>
  new Promise((resolve, reject) => {
    call.on("error", reject);
    call.on("status", (status) => (status.code === grpc.status.OK ? resolve(status.metadata) : reject(status)));
  });

const checked = (kind, got, fields) => {
  const by = fields.get("x-called-by");
  if (got !== TEXT || by.length !== 1 || by[0] !== "node") throw new Error(`${kind}: got "${got}", trailer ${by}`);
  console.log(kind, "ok");
};

// A call with one answer: what `start` begins with a callback for it.
const single = async (kind, start) => {
  let ended;
  const answer = await new Promise((resolve, reject) => {
    ended = trailer(start((error, message) => (error ? reject(error) : resolve(message.value))));
    ended.catch(reject);
  });
  checked(kind, answer, await ended);
};

const main = async () => {
  await single("unary", (done) => client.Unary({ value: TEXT }, metadata, deadline(), done));

  const split = client.Split({ value: TEXT }, metadata, deadline());
  const splitEnd = trailer(split);
  const words = [];
  for await (const word of split) words.push(word.value);
  checked("server streaming", words.join(" "), await splitEnd);

  await single("client streaming", (done) => {
    const join = client.Join(metadata, deadline(), done);
    for (const word of WORDS) join.write({ value: word });
    join.end();
    return join;
  });

  const chat = client.Chat(metadata, deadline());
  const chatEnd = trailer(chat);
  const heard = [];
  chat.write({ value: WORDS[0] });
  for await (const word of chat) {
    heard.push(word.value);
    if (heard.length < WORDS.length) chat.write({ value: WORDS[heard.length] }); // each answer before the next word
    else chat.end();
  }
  checked("bidirectional", heard.join(" "), await chatEnd);
  client.close();
};

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
