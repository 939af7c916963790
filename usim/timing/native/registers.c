/*
 * registers.c - answers loads from registers that count by themselves.
 *
 * A program that waits for a cycle counter or a timer loads it all the time. The host computes the
 * first of these loads and says how the register goes on (course_t); those that follow cost no call
 * of the host. Whatever may change a course drops all of them: see counter_t's course_count.
 */
#include "registers.h"
#include "protection.h"

static place_t *place_of(registers_t *registers, uint64_t price, uint32_t pc) {
    const uint64_t mixed = (price ^ (uint64_t)pc << 20) * 0x9E3779B97F4A7C15ULL;
    return &registers->places[mixed >> 32 & (PLACES - 1U)];
}

/* The time before the instruction that loads; 0 if only the host can tell. */
static uint32_t find_time(registers_t *registers, uint64_t *time) {
    counter_t *counter = registers->counter;
    const timer_t *timer = counter->timer;
    const uint32_t pc = counter->accessing;
    if (counter->counts_cycles == 0U) {
        *time = counter->instructions - usim_counter_behind(counter, pc);
        return pc != 0U;
    }
    if (pc == 0U || timer->previous == NULL) {
        return 0;
    }
    const place_t *place = place_of(registers, timer->previous->key, pc);
    *time = timer->cycles - place->behind;
    return place->price == timer->previous->key && place->pc == pc;
}

static const course_t *find_course(const registers_t *registers, uint32_t address) {
    for (uint32_t i = 0; i < registers->counter->course_count; i++) {
        if (registers->courses[i].address == address) {
            return &registers->courses[i];
        }
    }
    return NULL;
}

/* The word at `address`; 0 if the host has to be asked for it. */
static uint32_t answer(registers_t *registers, uint32_t address, uint32_t *word) {
    const counter_t *counter = registers->counter;
    uint64_t time = 0;
    const course_t *course = find_course(registers, address);
    if (course == NULL || find_time(registers, &time) == 0U || time >= counter->event_at ||
        time - course->since >= course->lasts) {
        return 0;
    }
    if (course->privileged != 0U &&
        (usim_is_privileged(counter) == 0U ||
         usim_is_unprivileged_access(counter, counter->accessing) != 0U)) {
        return 0;
    }
    const uint64_t steps = (course->part + (time - course->since) * course->step) / course->scale;
    *word = course->value + (uint32_t)(course->down != 0U ? 0U - steps : steps);
    return 1;
}

/* Unicorn's callback for loads from a register_space_t. */
USIM_EXPORT uint64_t usim_on_register_read(void *engine, uint64_t offset, unsigned size,
                                           void *user) {
    const register_space_t *space = user;
    const uint32_t address = space->base + (uint32_t)offset;
    uint32_t word = 0;
    if (size > 4U || answer(space->registers, address & ~3U, &word) == 0U) {
        return space->serve(engine, offset, size, NULL);
    }
    space->registers->counter->counting_reads++;
    return word >> 8U * (address & 3U) & (0xFFFFFFFFU >> 8U * (4U - size));
}

/* The host has served a load from within serve_t: how that register goes on. */
USIM_EXPORT void usim_registers_follow(registers_t *registers, const course_t *course) {
    counter_t *counter = registers->counter;
    uint32_t i = 0;
    while (i < counter->course_count && registers->courses[i].address != course->address) {
        i++;
    }
    i %= MAX_COURSES;
    registers->courses[i] = *course;
    if (i >= counter->course_count) {
        counter->course_count = i + 1U;
    }
    if (counter->counts_cycles != 0U && counter->timer->previous != NULL) {
        const uint64_t price = counter->timer->previous->key;
        const uint32_t behind = (uint32_t)(counter->timer->cycles - course->since);
        *place_of(registers, price, counter->accessing) =
            (place_t){price, counter->accessing, behind};
    }
}

/* Code has changed: prices are others. */
USIM_EXPORT void usim_registers_forget_code(registers_t *registers) {
    for (uint32_t i = 0; i < PLACES; i++) {
        registers->places[i].price = 0;
    }
}

USIM_EXPORT uint64_t usim_registers_size(void) {
    return sizeof(registers_t);
}
