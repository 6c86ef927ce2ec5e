// The cotangents that programs ask for: `v = cotangent(y)`. Every engine gets the same numbers.
//
// torch makes them as `torch.randint(-16, 17, shape) / 8` from a seeded Mersenne Twister (MT19937), so a worker
// has one too; other languages have it in their libraries.

import { arrayOf, sizeOf } from "./values.mjs";

const LENGTH = 624;
const MIDDLE = 397;

/** The numbers of `cotangent(like, seed)`: of the shape and dtype of these others, from -2 to 2. */
export function cotangent({ dtype, shape }, seed) {
  const next = twister(seed);
  const values = Array.from({ length: sizeOf(shape) }, () => ((next() % 33) - 16) / 8);
  return { dtype, shape, values: arrayOf(dtype, values) };
}

/** A function that gives the next integer of 32 bits of MT19937 each time. */
export function twister(seed) {
  const state = new Uint32Array(LENGTH);
  state[0] = seed;
  for (let index = 1; index < LENGTH; index++) {
    const before = state[index - 1] ^ (state[index - 1] >>> 30);
    state[index] = Math.imul(1812433253, before) + index;
  }
  let place = LENGTH;
  return () => {
    if (place === LENGTH) {
      renew(state);
      place = 0;
    }
    let word = state[place++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  };
}

function renew(state) {
  for (let index = 0; index < LENGTH; index++) {
    const joined = (state[index] & 0x80000000) | (state[(index + 1) % LENGTH] & 0x7fffffff);
    state[index] = state[(index + MIDDLE) % LENGTH] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
  }
}
