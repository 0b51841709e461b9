/**
 * The process that is timed. Like the Lambda runtime, it loads a bundle with `import()`.
 *
 *     node probe.mjs <bundle> [<event to handle afterwards, as JSON>]
 *
 * JavaScript, because Node would first load its type stripping. Its last line is a `Probe` of `../cold-start.ts`.
 */
const [, , bundle, event] = process.argv;
const nodeMillis = performance.now();
const { handler } = await import(bundle);
const initMillis = performance.now();
const initCpuMillis = process.cpuUsage().user / 1_000;
if (typeof handler !== 'function') throw new Error(`${bundle} exports no handler`);
const answer = event && (await handler(JSON.parse(event), { getRemainingTimeInMillis: () => 10_000 }));
console.log(`\n${JSON.stringify({ nodeMillis, initMillis, initCpuMillis, answer })}`);
