@manual-page-42 @vpn
Feature: A close request closes every connection and the tunnel
  The request is sent to OXO Connect through the CCI, and all the active connections and the VPN tunnel are closed.

  Background:
    Given an OXO Connect that Cloud Connect knows
    And the PBX was connected to the CCI

  Rule: All the active connections and the VPN tunnel are closed

    Scenario Outline: <number> VPN connections with traffic flowing
      Given <number> VPN connections were opened with traffic flowing
      When a close request comes through the CCI
      Then the request is answered with <number> closed connections
      And the PBX told the VPN gateway on the wire
      And every connection's next byte fails
      And the VPN address and the routes are gone on both ends
      And nothing of the PBX goes to the VPN gateway for 1 hour

      Examples:
        | number |
        | 1      |
        | 3      |
        | 10     |

    Scenario: Whoever opened the connections
      Given 3 VPN connections were opened with traffic flowing
      When a close request of another application comes through the CCI
      Then the request is answered with 3 closed connections
      And every connection's next byte fails
      And the tunnel is down

    Scenario: The permanent connection and the link to Rainbow stay
      Given Rainbow knows the PBX too
      And the WSS link was brought up
      And 2 VPN connections were opened with traffic flowing
      When a close request comes through the CCI
      Then the tunnel is down
      And the connection to the CCI is still the same
      And the WSS link is still the same

    Scenario: A new request after a close
      Given a VPN connection was opened
      And a close request came through the CCI
      When an application asks for a VPN connection
      Then the request is answered with a VPN address and a connection ID
      And the tunnel is up

  Rule: A close request without a tunnel is an error and harmless

    Scenario: There was never a tunnel
      When a close request comes through the CCI
      Then the request fails with "no-tunnel"
      And the connection to the CCI is still the same

    Scenario: Twice in a row
      Given a VPN connection was opened
      And a close request came through the CCI
      When a close request comes through the CCI
      Then the request fails with "no-tunnel"

    Scenario: A request while the tunnel is being closed
      Given 2 VPN connections were opened with traffic flowing
      When a close request and a request for a connection come at once
      Then the close request is answered and the other one fails with "busy" or brings a new tunnel

  Rule: Nothing leaves a tunnel behind

    Scenario Outline: <happens> while a tunnel is up
      Given 2 VPN connections were opened with traffic flowing
      When <happens>
      Then the tunnel is down
      And every connection's next byte fails

      Examples:
        | happens                          |
        | Cloud Connect is disabled in OMC |
        | the PBX restarts                 |
