import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

/** Writes ExampleNft.json from ExampleNft.sol: `npm run compile`. The example itself needs no compiler. */
const COMPILER = 'solc@0.8.30'
const SOURCE = 'ExampleNft.sol'
const SETTINGS = { optimizer: { enabled: true, runs: 200 }, evmVersion: 'london' }

const here = (name) => new URL(name, import.meta.url)
const input = {
  language: 'Solidity',
  sources: { [SOURCE]: { content: readFileSync(here(SOURCE), 'utf8') } },
  settings: { ...SETTINGS, outputSelection: { '*': { ExampleNft: ['abi', 'evm.bytecode.object'] } } },
}
const { stdout, stderr, status } = spawnSync(
  'npm',
  ['exec', '--yes', `--package=${COMPILER}`, '--', 'solcjs', '--standard-json'],
  { input: JSON.stringify(input), encoding: 'utf8' },
)
if (status !== 0) throw new Error(stderr)
// solcjs may say something about its environment before the answer.
const { contracts, errors = [] } = JSON.parse(stdout.slice(stdout.indexOf('{')))
if (!contracts?.[SOURCE]) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
const { abi, evm } = contracts[SOURCE].ExampleNft
const compiled = {
  source: SOURCE,
  compiler: COMPILER,
  settings: SETTINGS,
  abi,
  bytecode: `0x${evm.bytecode.object}`,
}
writeFileSync(here('ExampleNft.json'), `${JSON.stringify(compiled, null, 2)}\n`)
