// Runs in Node and in a page: what eventsource-parser makes of the pieces of a stream.
export async function eventsOf(createParser, pieces) {
  const events = [];
  const parser = createParser({
    onEvent: ({ event, data, id }) => events.push([event ?? "message", data, id ?? ""]),
    onError: (error) => { throw error; },
  });
  const decoder = new TextDecoder();
  for await (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }));
  return events;
}
