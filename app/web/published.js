/** The published answers to questions like the one asked, above what the models make of it. */

import { clamp, find, make } from "./dom.js";

const CC_BY = "https://creativecommons.org/licenses/by/4.0/";

/** MedQuAD's abbreviations of where it took an answer from. */
const SOURCES = {
  ADAM: "A.D.A.M. Medical Encyclopedia, MedlinePlus",
  CancerGov: "National Cancer Institute",
  CDC: "Centers for Disease Control and Prevention",
  GARD: "Genetic and Rare Diseases Information Center",
  GHR: "Genetics Home Reference, National Library of Medicine",
  MPlusDrugs: "MedlinePlus: drugs",
  MPlusHealthTopics: "MedlinePlus: health topics",
  MPlusHerbsSupplements: "MedlinePlus: herbs and supplements",
  NHLBI: "National Heart, Lung, and Blood Institute",
  NIDDK: "National Institute of Diabetes and Digestive and Kidney Diseases",
  NIHSeniorHealth: "NIH SeniorHealth",
  NINDS: "National Institute of Neurological Disorders and Stroke",
};

/** By whom what was found, or read, is published. */
export const sources = new Map();
const publisher = (source) => SOURCES[source] ?? source;

const section = find("#references");
const about = find("#references-about");
const list = find("ol", section);

/** Say that they are looked for, where there is an index to look in. */
export function beginReferences(any) {
  section.hidden = !any;
  section.dataset.state = "looking";
  about.textContent = "Looking for published answers…";
  list.replaceChildren();
  sources.clear();
}

/** Shown once, so that what a reader opened stays open. */
export function showReferences(found) {
  if (section.dataset.state === "found") return;
  section.hidden = !found;
  if (!found) return;
  section.dataset.state = "found";
  for (const { id, source } of found) sources.set(id, publisher(source));
  about.textContent = found.length
    ? "Found by search, not written by a model."
    : "Nothing published was found for this question.";
  list.replaceChildren(...found.map(entry));
  for (const item of list.children) clamp(find(".passage", item), "the passage");
}

/** Take back that they are looked for, where it ended before they came. */
export function endReferences() {
  if (section.dataset.state !== "found") section.hidden = true;
}

function entry({ question, url, source, excerpt, licence }) {
  const title = make("h4", { dir: "auto" }, link(url, question));
  const passage = make("p", { className: "passage", dir: "auto" }, excerpt ?? "Its licence allows a link only.");
  if (excerpt === null) passage.classList.add("help");
  return make("li", {}, title, passage, credit(source, licence));
}

function credit(source, licence) {
  const from = make("p", { className: "help source" }, "From ", make("b", {}, publisher(source)));
  if (licence === "CC BY 4.0") from.append(", in MedQuAD, ", link(CC_BY, licence));
  return from;
}

/** What a model read before it answered, by name and in full. */
export function readFirst({ grounded, passages, finish_reason }, alone) {
  const line = (...words) => make("p", { className: "help" }, ...words);
  if (!grounded) return alone && finish_reason !== "notice" ? [line("Read nothing: answered from memory.")] : [];
  if (!passages?.length) return [line("Read first: nothing fitting was found.")];
  return passages.flatMap(({ id, question, url, source, licence, text }) => {
    sources.set(id, publisher(source));
    const first = line("Read first: ", make("bdi", {}, link(url, question)), `, ${publisher(source)}`);
    const passage = make("p", { dir: "auto" }, text);
    return [first, make("details", { className: "help" }, make("summary", {}, "All that it read"), passage, credit(source, licence))];
  });
}

function link(url, text) {
  // Anything but a web address could be code.
  if (!/^https?:\/\//i.test(url)) return text;
  return make("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, text);
}
