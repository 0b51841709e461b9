#!/usr/bin/env node
/** The program `feature-store`. JavaScript that any Node since 12 can parse, so that an unfit one is told what to do. */
'use strict';

require('./check-node.cjs');

void import('./main.ts')
  .then(({ main }) => main(process.argv.slice(2), { print: console.log, printError: console.error }))
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
