// node parse.mjs BYTES CUTS: the events of a file that comes in pieces, as JSON.
import { readFileSync } from "node:fs";
import { createParser } from "eventsource-parser";
import { eventsOf } from "./read.js";

const [bytes, cuts] = [readFileSync(process.argv[2]), JSON.parse(readFileSync(process.argv[3]))];
const pieces = cuts.map((end, i) => bytes.subarray(cuts[i - 1] ?? 0, end));
process.stdout.write(JSON.stringify(await eventsOf(createParser, pieces)));
