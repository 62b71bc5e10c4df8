// The columns of the table of subcomponents, and their order.
function listColumns(run, domain) {
  const { columns } = run;
  const on = run.names[domain];
  const figure = (key, title, unit, shown) => columns[key] && {
    key, title, unit, kind: "n", value: (index) => columns[key][index], cell: (index) => shown(columns[key][index]),
  };
  const share = (index) => (run.mainDomain[index] === null ? null : columns[`share_${run.mainDomain[index]}`][index]);
  return [
    { key: "subcomponent", title: "Subcomponent", kind: "name", value: (index) => index,
      cell: (index) => html`<a href=${cardHash(columns.subcomponent[index])} tabindex="-1">${columns.subcomponent[index]}</a>` },
    { key: "label", title: "Label", kind: "label-cell", value: (index) => columns.label[index].toLowerCase() || null,
      cell: (index) => html`<span title=${columns.label[index]}>${columns.label[index] || "no label"}</span>` },
    { key: "domain", title: "Fires mostly in", unit: "share of its firings", kind: "domain-cell", value: share,
      cell: (index) => (share(index) === null ? "–" : `${run.names[run.mainDomain[index]]} ${(100 * share(index)).toFixed(0)} %`) },
    figure("density", "Density", "% of tokens", (value) => fixed(known(value) ? 100 * value : null, 2)),
    figure("mean_importance", "Importance", "mean, 0 to 1", (value) => significant(value)),
    figure("score", "Label score", "0 chance, 1 perfect", (value) => fixed(value)),
    ...TESTS.map((name) => figure(name, capital(name === "agreement" ? "causal agreement" : name), `chance ${run.chances[name]}`, (value) => fixed(value))),
    figure(`share_${domain}`, `In ${on}`, "% of its firings", (value) => fixed(known(value) ? 100 * value : null, 0)),
    figure(`importance_${domain}`, `Importance, ${on}`, "mean, 0 to 1", (value) => significant(value)),
    figure(`ablate_${domain}`, `Ablated, ${on}`, "nats a token", (value) => signed(value, 4)),
    figure(`invert_${domain}`, `Inverted, ${on}`, "nats a token", (value) => signed(value, 4)),
  ].filter(Boolean);
}

// What was not measured comes last, whichever way it is sorted; equals keep the order of the matrices.
function sortRows(rows, column, down) {
  const sign = down ? -1 : 1;
  const keyed = rows.map((index) => [column.value(index), index]);
  keyed.sort(([a, one], [b, two]) => {
    if (!known(a) || !known(b)) return known(b) - known(a) || one - two;
    return sign * (a < b ? -1 : a > b ? 1 : 0) || one - two;
  });
  return keyed.map(([, index]) => index);
}
