/* The twin in C: the same rover behind handles. Compiled when it is first used (rover/native.py).
 *
 * Every function that takes a handle returns 0, or a negative number for what was asked wrongly.
 */
#include <stdint.h>
#include <stdlib.h>

#define SIDE 200
#define CRATERS 5
#define HEADINGS 64
#define FIELDS 14

enum { NOTHING, LEFT, RIGHT, FORWARD, BRAKE, ACTIONS };

typedef struct { uint64_t state, increment; } Pcg32;

typedef struct {
  Pcg32 rng;
  int64_t x, y, heading, speed, fuel, spin, start_fuel;
  int64_t reward, done, damage, steps, travelled;
  int64_t beacon_x, beacon_y, crater_x[CRATERS], crater_y[CRATERS];
} Rover;

static const int64_t COSINE[HEADINGS] = {
  256, 255, 251, 245, 237, 226, 213, 198, 181, 162, 142, 121, 98, 74, 50, 25,
  0, -25, -50, -74, -98, -121, -142, -162, -181, -198, -213, -226, -237, -245, -251, -255,
  -256, -255, -251, -245, -237, -226, -213, -198, -181, -162, -142, -121, -98, -74, -50, -25,
  0, 25, 50, 74, 98, 121, 142, 162, 181, 198, 213, 226, 237, 245, 251, 255};

uint32_t pcg32_draw(Pcg32 *rng) {
  uint64_t before = rng->state;
  rng->state = before * 6364136223846793005ULL + rng->increment;
  uint32_t word = (uint32_t)(((before >> 18) ^ before) >> 27);
  uint32_t turn = (uint32_t)(before >> 59);
  return (word >> turn) | (word << (-turn & 31));
}

void pcg32_seed(Pcg32 *rng, uint64_t seed, uint64_t stream) {
  rng->state = 0;
  rng->increment = (stream << 1) | 1;
  pcg32_draw(rng);
  rng->state += seed;
  pcg32_draw(rng);
}

uint32_t pcg32_below(Pcg32 *rng, uint32_t bound) {
  uint32_t least = -bound % bound;
  for (;;) {
    uint32_t drawn = pcg32_draw(rng);
    if (drawn >= least) return drawn % bound;
  }
}

static int64_t held(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

/* Division by 256 towards minus infinity, as the specification's //. */
static int64_t over_256(int64_t value) { return value >= 0 ? value / 256 : -((255 - value) / 256); }

static int64_t distance(const Rover *r) { return llabs(r->beacon_x - r->x) + llabs(r->beacon_y - r->y); }

int rover_reset(Rover *r) {
  if (!r) return -1;
  r->beacon_x = pcg32_below(&r->rng, SIDE);
  r->beacon_y = pcg32_below(&r->rng, SIDE);
  for (int i = 0; i < CRATERS; i++) {
    r->crater_x[i] = pcg32_below(&r->rng, SIDE);
    r->crater_y[i] = pcg32_below(&r->rng, SIDE);
  }
  r->x = pcg32_below(&r->rng, SIDE);
  r->y = pcg32_below(&r->rng, SIDE);
  r->heading = pcg32_below(&r->rng, HEADINGS);
  r->fuel = r->start_fuel;
#ifndef CARRY_SPIN /* the defect of version 1.0: a new episode went on turning */
  r->spin = 0;
#endif
  r->speed = r->reward = r->done = r->damage = r->steps = r->travelled = 0;
  return 0;
}

Rover *rover_new(uint64_t seed, int64_t fuel) {
  Rover *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->start_fuel = fuel;
  pcg32_seed(&r->rng, seed, 1);
  rover_reset(r);
  return r;
}

void rover_free(Rover *r) { free(r); }

int rover_step(Rover *r, int action) {
  if (!r) return -1;
  if (action < 0 || action >= ACTIONS || r->done) return -2;
  if (action == LEFT || action == RIGHT)
    r->spin = held(r->spin + (action == RIGHT ? 1 : -1), -4, 4);
  else
    r->spin += (r->spin < 0) - (r->spin > 0);
  r->heading = (r->heading + r->spin + HEADINGS) % HEADINGS;
  r->speed = held(r->speed + (action == FORWARD ? 2 : action == BRAKE ? -3 : -1), 0, 12);
  r->fuel -= action == FORWARD ? 2 : 1;
  if (r->fuel < 0) r->fuel = 0;
  if (r->fuel == 0) r->speed = 0;
  int64_t gust = 0;
  if (pcg32_below(&r->rng, 16) == 0) gust = (int64_t)pcg32_below(&r->rng, 3) - 1;
  int64_t before = distance(r), x = r->x, y = r->y;
  r->x = held(x + gust + over_256(r->speed * COSINE[r->heading]), 0, SIDE - 1);
  r->y = held(y + over_256(r->speed * COSINE[(r->heading + 48) % HEADINGS]), 0, SIDE - 1);
  r->travelled += llabs(r->x - x) + llabs(r->y - y);
  int64_t crater = 0;
  for (int i = 0; i < CRATERS; i++)
    if (llabs(r->x - r->crater_x[i]) <= 3 && llabs(r->y - r->crater_y[i]) <= 3) crater = 1;
  if (crater) {
    r->speed = 0;
    r->damage += 1;
  }
  int64_t reached = distance(r) <= 2;
  r->reward = before - distance(r) - 5 * crater + 100 * reached;
  r->done = reached || r->fuel == 0 || r->damage == 3;
  r->steps += 1;
  return 0;
}

/* The fields in the order of FIELDS of the reference. */
int rover_fields(const Rover *r, int64_t *out, int count) {
  if (!r || !out || count != FIELDS) return -1;
  int64_t fields[FIELDS] = {
    r->x, r->y, r->heading, r->speed, r->fuel, r->beacon_x - r->x, r->beacon_y - r->y,
    r->reward, r->done, r->damage, r->steps, r->travelled, r->spin, (int64_t)r->rng.state};
  for (int i = 0; i < FIELDS; i++) out[i] = fields[i];
  return 0;
}

/* For known answers: the first `count` numbers of a stream. */
int pcg32_first(uint64_t seed, uint64_t stream, uint32_t *out, int count) {
  if (!out || count < 0) return -1;
  Pcg32 rng;
  pcg32_seed(&rng, seed, stream);
  for (int i = 0; i < count; i++) out[i] = pcg32_draw(&rng);
  return 0;
}
