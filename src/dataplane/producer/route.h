// Direct producer: the ways to the leaders of the topic's partitions, which of them are open, and who leads.
//
// A route with something to send is in the ready list of its leader, or held back: until the leader is known, until a
// back-off is over, until what is flying has been answered.
#ifndef FC_ROUTE_H
#define FC_ROUTE_H

#include "direct_state.h"

// Asks the control side for the topic, newer than what is known of it; for another producer id. Once until it comes.
void fc_ask_topic(struct fc_direct *d, int32_t partition, int16_t error, const char *text);
void fc_ask_identity(struct fc_direct *d, int16_t error);

// Puts the route where it belongs after something about it has changed.
void fc_route_place(struct fc_direct *d, struct fc_route *route);
// The next try is later the more there were, by a fifth more or less.
void fc_route_back_off(struct fc_direct *d, struct fc_route *route);
// Lets a held route go on as soon as it can.
void fc_route_release(struct fc_direct *d, struct fc_route *route);

// Whether the partition is worth filling: its leader is known, it is not held, and what was sealed for it is sent.
bool fc_route_is_open(const struct fc_direct *d, int32_t partition);
// Whether a batch that is sealed for it now cannot be sent yet, while everything that may change that is under way.
bool fc_route_would_wait(const struct fc_direct *d, int32_t partition);
// Whether something sealed for it is not settled: its memory comes back without any help.
bool fc_route_is_under_way(const struct fc_direct *d, int32_t partition);

// The broker with this id, as far as there is room for one; NULL.
struct fc_broker *fc_route_broker(struct fc_direct *d, int32_t node);
// Follows the newest publication of the topic: its partitions, their leaders, its limit.
void fc_route_follow(struct fc_direct *d);

#endif
