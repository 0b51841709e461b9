import { startMiniStack } from './localstack/ministack.ts';
import { deployLocally } from './localstack/deploy.ts';
const server = await startMiniStack({ port: 4991, directory: '/tmp/apitest' });
const d = await deployLocally({ endpoint: server.endpoint, directory: '/tmp/apitest', landsHistory: true, onProgress: () => {} });
console.log('URL ' + d.apiUrl);
process.on('SIGINT', async () => { await server.stop(); process.exit(0); });
await new Promise((r) => setTimeout(r, 3_600_000));
