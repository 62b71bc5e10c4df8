// The fields of prefactor/query/fields.py, and the columns that they stand for.
const PLAIN = new RegExp(`^[^${SPACE}()"'!~=<>]+$`);
const TESTS = ["detection", "fuzzing", "intruder", "agreement"];
const TEXT_FIELDS = { label: ["text", "label"], labeller: ["text", "label"], module: ["pattern", "harvest"] };
const FIGURE_FIELDS = {
  density: "harvest", mean_importance: "harvest", mean_activation: "harvest", norm: "harvest", score: "label",
  ...Object.fromEntries(TESTS.map((name) => [name, "score"])),
};
const DOMAIN_FIELDS = {
  domain: [["share_"], "harvest"], importance: [["importance_"], "harvest"], density: [["density_"], "harvest"],
  causal: [["ablate_", "invert_"], "effects"],
};
const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

function fieldOf(name) {
  if (own(TEXT_FIELDS, name)) {
    const [kind, stage] = TEXT_FIELDS[name];
    return { name, kind, stage, columns: [name], domain: null };
  }
  if (own(FIGURE_FIELDS, name)) {
    return { name, kind: "number", stage: FIGURE_FIELDS[name], columns: [name], domain: null };
  }
  const dot = name.indexOf(".");
  const [family, rest] = dot < 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot + 1)];
  const domain = (/^(".*"|'.*')$/s.test(rest) ? rest.slice(1, -1) : rest).normalize("NFC");
  if (!own(DOMAIN_FIELDS, family) || !domain) return null;
  const [prefixes, stage] = DOMAIN_FIELDS[family];
  const columns = prefixes.map((prefix) => `${prefix}${domain}`);
  const written = PLAIN.test(domain) ? `${family}.${domain}` : `${family}."${domain}"`;
  return { name: written, kind: "number", stage, columns, domain, prefix: prefixes[0] };
}

const textOf = (field, row) => row(field.columns[0]) || null;

// NaN where it is not known; else the largest of its columns.
function figureOf(field, row) {
  const values = field.columns.map(row).filter((value) => known(value) && !Number.isNaN(value));
  return values.length ? Math.max(...values) : NaN;
}

function likeFields(name) {
  const dot = name.indexOf(".");
  const domain = (dot < 0 ? "" : name.slice(dot + 1)) || "D";
  const families = Object.keys(DOMAIN_FIELDS).map((family) => `${family}.${domain}`);
  return [...Object.keys(TEXT_FIELDS), ...Object.keys(FIGURE_FIELDS), ...families];
}

const resembles = (name) => name.includes(".") || closest(name.toLowerCase(), likeFields(name)) !== undefined;
const signsOf = (field) => (field.kind === "number" ? "< <= > >= = !=" : "~ !~ = !=");
