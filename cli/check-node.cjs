/**
 * Ends with one sentence where this Node cannot run the product, or nothing is installed yet. `node --require` reads it before the
 * program, so it is JavaScript that any Node since 12 can parse, and it needs no package.
 */
'use strict';

// biome-ignore-start lint/style/useNodejsImportProtocol: Node 12 does not know it.
const { existsSync } = require('fs');
const path = require('path');
// biome-ignore-end lint/style/useNodejsImportProtocol: Node 12 does not know it.
const { engines } = require('../package.json');

const ROOT = path.join(__dirname, '..');
const isInstalled = existsSync(path.join(ROOT, 'node_modules'));

function refuse(sentence) {
  console.error(`feature-store: ${sentence}`);
  process.exit(2);
}

if (!process.features.typescript) {
  refuse(
    `this is Node ${process.versions.node}, which cannot run TypeScript, and Node ${engines.node} is needed: "npm run cli -- …" and ` +
      `"npm start" in ${ROOT} use the Node that npm installs there${isInstalled ? '' : ', once "npm run setup" has run'}`,
  );
} else if (!isInstalled) {
  refuse(`the packages are missing in ${ROOT}: run "npm run setup" there, which installs them`);
}
