#!/usr/bin/env node
/** The program `feature-store`. JavaScript that any Node since 12 can parse, so that an unfit one is told what to do. */
'use strict';

require('./check-node.cjs');

// npm runs its scripts in the folder of the package: files are named from where the command was called.
if (process.env.npm_lifecycle_event === 'cli' && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

void import('./main.ts')
  .then(({ main }) => main(process.argv.slice(2), { print: console.log, printError: console.error }))
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
