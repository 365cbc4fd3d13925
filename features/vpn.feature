@manual-page-42 @vpn
Feature: The VPN is opened on demand
  An application asks the connection service; the request reaches the PBX through the CCI; the VPN agent opens a tunnel
  to the gateway that the request names; its VPN address and a connection ID go back through the CCI.

  Background:
    Given an OXO Connect that Cloud Connect knows
    And the PBX was connected to the CCI

  Rule: The first request creates the tunnel, each later one shares it

    Scenario: The first request
      When an application asks for a VPN connection
      Then the request is answered with a VPN address and a connection ID
      And the tunnel is up
      And IKE is seen at the firewall

    Scenario: A second user
      Given a VPN connection was opened
      When another application asks for a VPN connection
      Then the request is answered with the same VPN address and a new connection ID
      And only one tunnel was ever set up

    Scenario: Ten users share the tunnel
      When 10 applications ask for a VPN connection, one after the other
      Then all requests are answered with the same VPN address and different connection IDs
      And only one tunnel was ever set up

    Scenario: An eleventh user
      Given 10 VPN connections were opened
      When another application asks for a VPN connection
      Then the request fails with "too-many-users"
      And the tunnel is up

    Scenario: Two requests at once
      When 2 applications ask for a VPN connection at once
      Then all requests are answered with the same VPN address and different connection IDs
      And only one tunnel was ever set up

    Scenario: Traffic flows through the tunnel, and only there
      Given a VPN connection was opened
      When the application exchanges bytes with the PBX's management page
      Then the bytes arrive, both ways
      And the firewall saw encrypted traffic and nothing of the bytes

  Rule: A failure is told with a code, which is logged and forwarded

    Scenario Outline: <trouble>
      Given <trouble>
      When an application asks for a VPN connection
      Then the request fails with "<code>"
      And the PBX's VPN log has "<code>"
      And the tunnel is down

      Examples:
        | trouble                                                     | code                        |
        | the request names an unknown gateway                        | unknown-gateway             |
        | the VPN gateway is dead                                     | gateway-unreachable         |
        | the firewall is no-ipsec                                    | gateway-unreachable         |
        | the VPN gateway shows a certificate of a wrong name         | gateway-refused-certificate |
        | the VPN gateway shows a certificate of an expired date      | gateway-refused-certificate |
        | the VPN gateway shows a certificate of an unknown authority | gateway-refused-certificate |
        | the VPN gateway expects another password                    | wrong-password              |
        | the VPN gateway accepts other algorithms only               | no-proposal                 |

    Scenario: After a failure the next request works
      Given the VPN gateway expects another password
      And an application asked for a VPN connection in vain
      When the VPN gateway expects the right password
      And an application asks for a VPN connection
      Then the request is answered with a VPN address and a connection ID
      And the tunnel is up

    Scenario: A firewall that lets out only HTTPS, DNS and the VPN
      Given the firewall is https-ipsec
      When an application asks for a VPN connection
      Then the request is answered with a VPN address and a connection ID
      And the tunnel is up

  Rule: A tunnel that is cut is never set up again by itself

    Scenario: The gateway cuts the tunnel
      Given a VPN connection was opened
      When the VPN gateway cuts the tunnel
      And 1 hour passes
      Then the tunnel is down
      And nothing of the PBX went to the VPN gateway since
      And the history has "unexpected close"

    Scenario: A new request brings a new tunnel
      Given a VPN connection was opened
      And the VPN gateway cut the tunnel
      And 1 minute has passed
      When an application asks for a VPN connection
      Then the request is answered with a VPN address and a connection ID
      And the tunnel is up

    Scenario: The PBX looks for a dead peer every 30 seconds
      Given a VPN connection was opened
      Then the PBX probes the VPN gateway every 30 seconds

  Rule: A tunnel without traffic is closed after the time that the request names

    Scenario Outline: The request names <asked>
      Given a VPN connection was opened with an inactivity timeout of <asked>
      When <kept> pass without traffic
      Then the tunnel is up
      When 2 minutes pass without traffic
      Then the tunnel is down

      Examples:
        | asked      | kept       |
        | nothing    | 19 minutes |
        | 1 minute   | 4 minutes  |
        | 5 minutes  | 4 minutes  |
        | 30 minutes | 29 minutes |
        | 3 hours    | 59 minutes |

    Scenario: Traffic keeps the tunnel
      Given a VPN connection was opened with an inactivity timeout of 10 minutes
      When the application exchanges bytes every 8 minutes for 40 minutes
      Then the tunnel is up

    Scenario: The CCI is not told, and the reason stands in the VPN log only
      Given a VPN connection was opened with an inactivity timeout of 5 minutes
      When 10 minutes pass without traffic
      Then the tunnel is down
      And the CCI was told nothing
      And the history has "unexpected close"
      And the PBX's VPN log has "no traffic"
      And the history says no more than "unexpected close"
